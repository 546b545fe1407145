import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { childArgs } from './measure.ts';

/** What a measured Node-RED is told to do. */
export type ChildCommand =
  | { do: 'deploy'; nodes: object[] }
  | { do: 'pass'; file: string; to: string; limit: number }
  | { do: 'status'; id: string }
  | { do: 'memory' }
  | { do: 'stop' };

export interface ChildAnswer {
  error?: string;
  /** Milliseconds that passing the messages took. */
  ms?: number;
  /** Milliseconds of processor time, of all its threads. */
  cpu?: number;
  /** A node's last status. */
  text?: string;
  /** Bytes. */
  rss?: number;
  heap?: number;
}

/** Milliseconds that all builds of one burst may take. */
const LIMIT = 240_000;

/** A Node-RED in a process of its own. Who starts it stops it. */
export class MeasuredRed {
  readonly #child: ChildProcess;
  readonly userDir: string;

  private constructor(child: ChildProcess, userDir: string) {
    this.#child = child;
    this.userDir = userDir;
  }

  static async start(kind: 'bare' | 'recheck', dir: string): Promise<MeasuredRed> {
    const userDir = await mkdtemp(join(dir, `${kind}-`));
    const child = fork(join(import.meta.dirname, 'node-red-child.ts'), [kind, userDir], {
      execArgv: childArgs(kind),
    });
    const red = new MeasuredRed(child, userDir);
    await red.#answer();
    return red;
  }

  async deploy(nodes: object[]): Promise<void> {
    await this.#ask({ do: 'deploy', nodes });
  }

  /** Gives a node all messages of a file at once; the milliseconds until each has come to its end, and the processor's. */
  async pass(file: string, to: string): Promise<{ ms: number; cpu: number }> {
    const { ms, cpu } = await this.#ask({ do: 'pass', file, to, limit: LIMIT });
    return { ms: ms!, cpu: cpu! };
  }

  /** The last status of a node, in words. */
  async status(id: string): Promise<string> {
    return (await this.#ask({ do: 'status', id })).text ?? '';
  }

  /** Bytes resident and on the heap, after a garbage collection. */
  async memory(): Promise<{ rss: number; heap: number }> {
    const { rss, heap } = await this.#ask({ do: 'memory' });
    return { rss: rss!, heap: heap! };
  }

  async stop(): Promise<void> {
    if (this.#child.exitCode === null) {
      const exited = new Promise((resolve) => this.#child.once('exit', resolve));
      await this.#ask({ do: 'stop' }).catch(() => this.#child.kill('SIGKILL'));
      await exited;
    }
    await rm(this.userDir, { recursive: true, force: true });
  }

  #ask(command: ChildCommand): Promise<ChildAnswer> {
    const answer = this.#answer();
    this.#child.send(command);
    return answer;
  }

  #answer(): Promise<ChildAnswer> {
    return new Promise((resolve, reject) => {
      const onExit = (code: number | null) => reject(new Error(`the measured Node-RED ended with ${code}`));
      this.#child.once('exit', onExit);
      this.#child.once('message', (answer: ChildAnswer) => {
        this.#child.off('exit', onExit);
        if (answer.error) reject(new Error(answer.error));
        else resolve(answer);
      });
    });
  }
}
