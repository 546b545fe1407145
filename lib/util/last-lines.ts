import type { Readable } from 'node:stream';
import { lastPlainLines } from './plain-text.ts';

/** Bytes kept while reading. */
const KEPT = 65_536;

/** The last lines of a stream that are not empty, as plain text, read with a bound. */
export async function lastLines(stream: Readable, count: number): Promise<string[]> {
  let kept = Buffer.alloc(0);
  for await (const chunk of stream) kept = Buffer.concat([kept, chunk as Buffer]).subarray(-KEPT);
  return lastPlainLines(kept.toString(), count);
}
