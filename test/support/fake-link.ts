import { PassThrough, type Readable, Writable } from 'node:stream';
import type { Link } from '../../lib/ssh/link-pool.ts';
import type { Exit, Host, LinkHealth, Running, RunOptions, RunResult, SshTarget } from '../../lib/ssh/types.ts';

/** What a fake command does: answer and end, stream until the test ends it, or hang. */
export type FakeAnswer = Partial<RunResult> | 'stream' | 'hang';

/** A command of a fake host, controlled by the test. */
export interface FakeCommand {
  argv: readonly string[];
  /** Its stdin so far. */
  stdin: string;
  stdout: PassThrough;
  stderr: PassThrough;
  /** Ends the command. */
  end(exit?: Exit): void;
  closed: boolean;
}

/** A host without a machine: the test provides the answer to each command. */
export class FakeHost implements Host {
  readonly label = 'gerrit test';
  readonly commands: FakeCommand[] = [];
  readonly #gone = new AbortController();
  readonly #answer: (argv: readonly string[], stdin: string) => FakeAnswer;

  constructor(answer: (argv: readonly string[], stdin: string) => FakeAnswer) {
    this.#answer = answer;
  }

  get gone(): AbortSignal {
    return this.#gone.signal;
  }

  /** All stream-events commands so far, oldest first. */
  get streams(): FakeCommand[] {
    return this.commands.filter(({ argv }) => argv[1] === 'stream-events');
  }

  close(): void {
    this.#gone.abort(new Error('closed'));
  }

  async run(argv: readonly string[], options: RunOptions = {}): Promise<RunResult> {
    const stdin = String(options.stdin ?? '');
    this.commands.push(this.#command(argv, stdin));
    const answer = this.#answer(argv, stdin);
    if (typeof answer !== 'string') return { code: 0, stdout: '', stderr: '', ...answer };
    const limit = AbortSignal.any([
      this.gone,
      AbortSignal.timeout(options.timeout ?? 60_000),
      ...(options.signal ? [options.signal] : []),
    ]);
    return new Promise((_, reject) => {
      if (limit.aborted) reject(limit.reason);
      limit.addEventListener('abort', () => reject(limit.reason));
    });
  }

  async start(argv: readonly string[], options: { signal?: AbortSignal } = {}): Promise<Running> {
    const command = this.#command(argv, '');
    this.commands.push(command);
    const { promise: exit, resolve, reject } = Promise.withResolvers<Exit>();
    exit.catch(() => {});
    command.end = (how = { code: 0 }) => {
      command.stdout.end();
      command.stderr.end();
      setImmediate(() => resolve(how));
    };
    const stdin = new Writable({
      write(chunk: Buffer, _encoding, done) {
        command.stdin += chunk.toString();
        done();
      },
    });
    const answer = this.#answer(argv, '');
    if (typeof answer !== 'string') {
      command.stdout.write(answer.stdout ?? '');
      command.stderr.write(answer.stderr ?? '');
      command.end({ code: answer.code ?? 0 });
    }
    const close = (): void => {
      command.closed = true;
      reject(new Error('closed'));
    };
    this.gone.addEventListener('abort', close);
    options.signal?.addEventListener('abort', close);
    return { stdin, stdout: command.stdout as Readable, stderr: command.stderr as Readable, exit, close };
  }

  #command(argv: readonly string[], stdin: string): FakeCommand {
    return { argv, stdin, stdout: new PassThrough(), stderr: new PassThrough(), end: () => {}, closed: false };
  }

  sftp(): never {
    throw new Error('a fake host cannot do this');
  }
  forwardOut(): never {
    throw new Error('a fake host cannot do this');
  }
  forwardIn(): never {
    throw new Error('a fake host cannot do this');
  }
}

/** A link that provides one host after the other, as a real link connects again when its host is gone. */
export class FakeLink implements Link {
  readonly target: SshTarget;
  readonly hosts: FakeHost[] = [];
  health: LinkHealth = { state: 'up' };
  readonly #make: (index: number) => FakeHost;
  readonly #listeners = new Set<(health: LinkHealth) => void>();

  constructor(make: (index: number) => FakeHost, user = 'acme-ci') {
    this.#make = make;
    this.target = { label: 'gerrit test', host: 'test', port: 29418, user, privateKey: 'key' };
  }

  async host(signal?: AbortSignal): Promise<FakeHost> {
    signal?.throwIfAborted();
    if (this.hosts.at(-1)?.gone.aborted !== false) this.hosts.push(this.#make(this.hosts.length));
    return this.hosts.at(-1)!;
  }

  setHealth(health: LinkHealth): void {
    this.health = health;
    for (const listener of this.#listeners) listener(health);
  }

  onHealth(callback: (health: LinkHealth) => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** Number of listeners for its health. */
  get listeners(): number {
    return this.#listeners.size;
  }

  retry(): void {}
  release(): void {}
}
