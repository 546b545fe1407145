import type { Readable } from 'node:stream';
import { lastPlainLines } from './plain-text.ts';

/** Bytes kept while reading a stream. */
const MAX_KEPT_BYTES = 65_536;

/** Reads a stream to its end and returns its last lines that are not empty, as plain text. */
export async function lastLines(stream: Readable, count: number): Promise<string[]> {
  let kept = Buffer.alloc(0);
  for await (const chunk of stream) kept = Buffer.concat([kept, chunk as Buffer]).subarray(-MAX_KEPT_BYTES);
  return lastPlainLines(kept.toString(), count);
}
