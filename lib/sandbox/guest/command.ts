import { type ChildProcess, spawn } from 'node:child_process';
import { constants } from 'node:os';
import type { Readable, Writable } from 'node:stream';
import type { ServerChannel } from 'ssh2';

/** Signals that have a name in SSH (RFC 4254, 6.10). */
const SSH_SIGNALS = new Set('ABRT ALRM FPE HUP ILL INT KILL PIPE QUIT SEGV TERM USR1 USR2'.split(' '));

/**
 * Runs a command on an SSH channel as sshd does without a terminal: its input, output and exit are the channel's. When
 * the channel closes, its pipes are closed and the command continues. Nothing is read from it while the channel's
 * window is closed.
 *
 * @param options.gone aborts when the channel or its connection is closed
 * @returns a function that sends a signal (name without SIG) to the command's process group while it runs
 */
export function runCommand(
  channel: ServerChannel,
  argv: readonly [string, ...string[]],
  options: { cwd: string; env: Record<string, string>; gone: AbortSignal },
): (signal: string) => void {
  const child = spawn(argv[0], argv.slice(1), {
    cwd: options.cwd,
    env: options.env,
    // In a session and process group of its own.
    detached: true,
    stdio: ['pipe', 'pipe', 'pipe'],
  });
  feed(channel, child.stdin);
  options.gone.addEventListener('abort', () => {
    for (const pipe of [child.stdin, child.stdout, child.stderr]) pipe.destroy();
  });
  const turns = new Turns(channel);
  void Promise.all([
    ended(child, channel),
    pump(child.stdout, channel, turns),
    pump(child.stderr, channel.stderr as Writable, turns),
  ])
    .then(() => channel.end())
    // The pipes broke because the channel is closed: nobody is left to tell.
    .catch(() => channel.close());
  return (signal) => {
    const name = `SIG${signal}` as NodeJS.Signals;
    if (child.pid === undefined || child.exitCode !== null || child.signalCode !== null) return;
    if (!(name in constants.signals)) return;
    try {
      process.kill(-child.pid, name);
    } catch {
      // It has ended.
    }
  };
}

/** Copies the client's data to the command's stdin; what the command does not read is discarded. */
function feed(channel: ServerChannel, stdin: Writable): void {
  stdin.on('error', () => {});
  stdin.on('close', () => channel.resume());
  channel.on('error', () => {});
  channel.pipe(stdin);
}

/** Waits for the command's end and reports it immediately, as sshd does: output may still follow. */
function ended(child: ChildProcess, channel: ServerChannel): Promise<void> {
  return new Promise((resolve) => {
    child.once('error', (error) => {
      channel.stderr.write(`${error.message}\n`);
      channel.exit(127);
      resolve();
    });
    child.once('exit', (code, signal) => {
      if (signal === null) channel.exit(code!);
      else if (SSH_SIGNALS.has(signal.slice(3))) channel.exit(signal.slice(3), false, '');
      else channel.exit(128 + constants.signals[signal]);
      resolve();
    });
  });
}

/**
 * Allows one write at a time on a channel. ssh2 (1.17) keeps what waits for the window in fields that stdout and stderr
 * share and that it never clears: if both wait, it sends a piece of stdout twice and that of stderr never.
 */
class Turns {
  readonly #channel: ServerChannel;
  #last: Promise<void> = Promise.resolve();

  constructor(channel: ServerChannel) {
    this.#channel = channel;
  }

  write(sink: Writable, chunk: Buffer): Promise<void> {
    const turn = this.#last.then(async () => {
      await new Promise<void>((resolve, reject) => {
        sink.write(chunk, (error) => (error ? reject(error) : resolve()));
      });
      Object.assign(this.#channel, {
        _chunk: undefined,
        _chunkcb: undefined,
        _chunkErr: undefined,
        _chunkcbErr: undefined,
      });
    });
    this.#last = turn.catch(() => {});
    return turn;
  }
}

async function pump(source: Readable, sink: Writable, turns: Turns): Promise<void> {
  for await (const chunk of source as AsyncIterable<Buffer>) await turns.write(sink, chunk);
}
