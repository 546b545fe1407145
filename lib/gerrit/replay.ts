import { createReadStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { replayUnreadable } from '../errors/gerrit.ts';
import { LineSplitter } from './stream/lines.ts';
import { parseEvent } from './stream/parse.ts';
import type { GerritEvent } from './types.ts';

/** `recorded` keeps the intervals of `eventCreatedOn`; a number is the milliseconds between two events. */
export type ReplayPace = 'asap' | 'recorded' | number;

/** Bytes of the longest line that is read, as in the live stream. */
const MAX_LINE_BYTES = 1024 * 1024;
/** Milliseconds of the longest wait between two events: the clock of a recording may have jumped. */
const MAX_WAIT_MS = 3_600_000;

/**
 * Replays a recorded event stream: a file with one JSON event per line. Each event waits until the one before it is
 * handled.
 *
 * @returns how many events there were, and lines that are not events
 * @throws CiError if the file cannot be read; the signal's reason when aborted
 */
export async function replayFile(
  path: string,
  { pace, signal }: { pace: ReplayPace; signal: AbortSignal },
  onEvent: (event: GerritEvent) => void | Promise<void>,
): Promise<{ events: number; garbage: number }> {
  let batch: string[] = [];
  const counts = { events: 0, garbage: 0 };
  const lines = new LineSplitter(
    MAX_LINE_BYTES,
    (line) => batch.push(line),
    () => counts.garbage++,
  );
  let last: number | undefined;

  const play = async (line: string): Promise<void> => {
    const event = parseEvent(line);
    if (event === undefined) {
      if (line.trim() !== '') counts.garbage++;
      return;
    }
    const at = event.eventCreatedOn;
    const gap = pace === 'recorded' && at !== undefined && last !== undefined ? (at - last) * 1000 : 0;
    const wait = typeof pace === 'number' ? (counts.events === 0 ? 0 : pace) : gap;
    last = at ?? last;
    if (wait > 0) await sleep(Math.min(wait, MAX_WAIT_MS), undefined, { signal });
    signal.throwIfAborted();
    counts.events++;
    await onEvent(event);
  };
  const playBatch = async (): Promise<void> => {
    const read = batch;
    batch = [];
    for (const line of read) await play(line);
  };

  for await (const chunk of chunks(path)) {
    signal.throwIfAborted();
    lines.push(chunk);
    await playBatch();
  }
  lines.end();
  await playBatch();
  return counts;
}

/** Yields the file's bytes; errors of reading it are distinct from those of a handler. */
async function* chunks(path: string): AsyncGenerator<Buffer> {
  const stream = createReadStream(path);
  const next = stream[Symbol.asyncIterator]();
  try {
    for (;;) {
      const step = await next.next().catch((error: unknown) => {
        throw replayUnreadable(path, error);
      });
      if (step.done) return;
      yield step.value as Buffer;
    }
  } finally {
    stream.destroy();
  }
}
