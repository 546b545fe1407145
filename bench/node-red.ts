import { type ChildProcess, fork } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { childArgs } from './measure.ts';

/** Commands for a measured Node-RED. */
export type ChildCommand =
  | { do: 'deploy'; nodes: object[] }
  | { do: 'pass'; file: string; to: string; limit: number }
  | { do: 'status'; id: string }
  | { do: 'memory' }
  | { do: 'stop' };

export interface ChildAnswer {
  error?: string;
  /** Milliseconds that it took to pass the messages. */
  ms?: number;
  /** Milliseconds of processor time, of all its threads. */
  cpu?: number;
  /** Last status of a node. */
  text?: string;
  /** Bytes. */
  rss?: number;
  heap?: number;
}

/** Time limit for all builds of one burst. */
const BURST_TIMEOUT_MS = 240_000;

/** A Node-RED in a process of its own. The caller stops it. */
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

  /** Sends all messages of a file to a node. Returns wall and processor milliseconds until all are finished. */
  async pass(file: string, to: string): Promise<{ ms: number; cpu: number }> {
    const { ms, cpu } = await this.#ask({ do: 'pass', file, to, limit: BURST_TIMEOUT_MS });
    return { ms: ms!, cpu: cpu! };
  }

  /** Returns the last status text of a node. */
  async status(id: string): Promise<string> {
    return (await this.#ask({ do: 'status', id })).text ?? '';
  }

  /** Returns bytes of resident memory and of the heap, after a garbage collection. */
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
