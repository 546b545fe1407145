import { type CiError, messageOf } from '../../errors/ci-error.ts';
import { mayNotStream, streamEnded, streamHung, streamNotOpened } from '../../errors/gerrit.ts';
import type { Host, Running } from '../../ssh/types.ts';
import { formatSeconds } from '../../util/format.ts';
import { gerritCommand } from '../command.ts';
import { LineSplitter } from './lines.ts';

/** Bytes of the longest line that is read; an event has a few kilobytes. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Milliseconds until opening the channel fails. */
const OPEN_TIMEOUT_MS = 30_000;

/** How a stream is monitored, in milliseconds. */
export interface StreamTimes {
  /** Silence after which the server is probed. */
  quiet: number;
  /** Time limit for its answer. */
  probe: number;
  /** Silence after which the stream counts as open: a refusal arrives at once, a granted stream sends nothing. */
  settle: number;
}

/** How one event stream is read. */
export interface ChannelOptions {
  /** The account's username, for messages. */
  user: string;
  types: readonly string[];
  times: StreamTimes;
  signal: AbortSignal;
  onLine(line: string): void;
  /** A line was longer than 1 MiB and was skipped. */
  onOverlong(): void;
  /** The stream is open. */
  onOpen(): void;
  /** A probe was answered: nothing has been missed so far. */
  onAlive(): void;
}

/**
 * Reads one `gerrit stream-events` channel until it ends, and returns why it ended, also if the signal aborted. A dead
 * stream can look alive, so after some silence `gerrit version` is run on the same connection; if there is no answer,
 * the connection is closed so that its owner opens a new one.
 */
export async function readStream(host: Host, options: ChannelOptions): Promise<CiError> {
  const { user, types, times, signal, onLine, onOverlong, onOpen, onAlive } = options;
  const over = new AbortController();
  const either = AbortSignal.any([signal, host.gone]);
  let running: Running;
  try {
    running = await opened(host, gerritCommand('stream-events', ...types.flatMap((type) => ['-s', type])), either);
  } catch (error) {
    return streamNotOpened(host.label, error);
  }
  let stderr = '';
  let heard = Date.now();
  let open = false;
  const isOpen = () => {
    if (!open && !over.signal.aborted) onOpen();
    open = true;
  };
  const lines = new LineSplitter(MAX_LINE_BYTES, onLine, onOverlong);
  running.stdout.on('data', (chunk: Buffer) => {
    heard = Date.now();
    isOpen();
    lines.push(chunk);
  });
  running.stderr.on('data', (chunk: Buffer) => {
    if (stderr.length < 4096) stderr += chunk.toString();
  });
  const settled = setTimeout(() => stderr === '' && isOpen(), times.settle);

  let hung: CiError | undefined;
  let timer: NodeJS.Timeout | undefined;
  const watch = (): void => {
    timer = setTimeout(
      async () => {
        if (Date.now() - heard >= times.quiet) {
          try {
            await host.run(gerritCommand('version'), { timeout: times.probe, signal: over.signal });
            heard = Date.now();
            onAlive();
          } catch (error) {
            if (over.signal.aborted) return;
            hung = streamHung(host.label, error);
            host.close();
            stop();
            return;
          }
        }
        if (!over.signal.aborted) watch();
      },
      Math.max(0, heard + times.quiet - Date.now()),
    );
    timer.unref();
  };
  const { promise: stopped, resolve: stop } = Promise.withResolvers<void>();
  either.addEventListener('abort', () => stop(), { once: true });
  if (either.aborted) stop();
  watch();
  let lost = '';
  const ended = running.exit.catch((error: unknown) => {
    lost = messageOf(error);
  });
  try {
    await Promise.race([ended, stopped]);
  } finally {
    over.abort();
    clearTimeout(settled);
    clearTimeout(timer);
    running.close();
  }
  if (hung) return hung;
  if (/not permitted/i.test(stderr)) return mayNotStream(host.label, user);
  return streamEnded(host.label, stderr || lost || (host.gone.aborted ? 'the connection was lost' : ''));
}

/**
 * Starts the command with a time limit: on a dead connection an open is never answered, so the connection is closed.
 */
async function opened(host: Host, argv: string[], signal: AbortSignal): Promise<Running> {
  const limit = AbortSignal.timeout(OPEN_TIMEOUT_MS);
  const { promise: late, reject } = Promise.withResolvers<never>();
  limit.addEventListener('abort', () => reject(new Error(`no answer in ${formatSeconds(OPEN_TIMEOUT_MS)}`)), {
    once: true,
  });
  signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  const started = host.start(argv, { signal });
  try {
    return await Promise.race([started, late]);
  } catch (error) {
    started.then((running) => running.close()).catch(() => {});
    if (limit.aborted) host.close();
    throw error;
  }
}
