import type { Readable } from 'node:stream';

/** Bytes kept while reading. */
const KEPT = 16_384;

/** The last lines of a stream that are not empty, read with a bound. */
export async function lastLines(stream: Readable, count: number): Promise<string[]> {
  let kept = Buffer.alloc(0);
  for await (const chunk of stream) kept = Buffer.concat([kept, chunk as Buffer]).subarray(-KEPT);
  return kept
    .toString('utf8')
    .split(/\r?\n/)
    .map((line) => line.trim().slice(0, 300))
    .filter(Boolean)
    .slice(-count);
}
