import type { Readable } from 'node:stream';
import { commandTimeout } from '../../errors/ssh-command.ts';
import type { Running, RunOptions, RunResult } from '../types.ts';

const DEFAULT_TIMEOUT_MS = 60_000;

/** Of stdout and of stderr. */
const DEFAULT_MAX_BYTES = 1024 * 1024;

/**
 * Waits for the end of a started command: writes its stdin, keeps the first bytes of its output and drops the rest.
 * At the time limit or an abort it calls `stop`, which ends the command as far as the host can, and rejects.
 */
export async function collect(
  running: Running,
  argv: readonly string[],
  options: RunOptions,
  label: string,
  stop: () => void,
): Promise<RunResult> {
  const { stdin, signal, timeout = DEFAULT_TIMEOUT_MS, limit = DEFAULT_MAX_BYTES } = options;
  // The command may end before it has read its input.
  running.stdin.on('error', () => {});
  running.stdin.end(stdin);
  const stdout = keep(running.stdout, limit);
  const stderr = keep(running.stderr, limit);
  const { promise: given, reject: giveUp } = Promise.withResolvers<never>();
  const onAbort = (): void => giveUp(signal?.reason);
  signal?.addEventListener('abort', onAbort, { once: true });
  const timer = setTimeout(() => {
    giveUp(commandTimeout(label, argv.join(' ').slice(0, 200), timeout, running.noise));
  }, timeout);
  if (signal?.aborted) onAbort();
  try {
    const [exit, out, err] = await Promise.race([Promise.all([running.exit, stdout, stderr]), given]);
    return { ...exit, stdout: out, stderr: err };
  } catch (error) {
    stop();
    throw error;
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener('abort', onAbort);
  }
}

function keep(stream: Readable, limit: number): Promise<string> {
  const chunks: Buffer[] = [];
  let room = limit;
  stream.on('data', (chunk: Buffer) => {
    if (room <= 0) return;
    chunks.push(chunk.length > room ? chunk.subarray(0, room) : chunk);
    room -= chunk.length;
  });
  return new Promise((resolve) => {
    const done = (): void => resolve(Buffer.concat(chunks).toString());
    stream.once('end', done);
    stream.once('close', done);
    stream.once('error', done);
  });
}
