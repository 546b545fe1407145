import type { FileHandle } from 'node:fs/promises';

/** Bytes read at once. */
const READ_BYTES = 256 << 10;

/** A line of a file: its first `limit` bytes, and how many more bytes it has. */
export interface Line {
  text: string;
  more: number;
}

/**
 * Yields the lines of [start, end) in a file, in batches as they are read; a line takes at most `limit` bytes of
 * memory.
 */
export async function* readLines(
  handle: FileHandle,
  { start, end, limit }: { start: number; end: number; limit: number },
): AsyncGenerator<Line[]> {
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, end - start));
  let head = Buffer.alloc(0);
  let more = 0;
  const take = (from: number, to: number): void => {
    const room = Math.max(0, limit - head.length);
    const kept = buffer.subarray(from, Math.min(to, from + room));
    head = head.length === 0 ? Buffer.from(kept) : Buffer.concat([head, kept]);
    more += to - from - kept.length;
  };
  for (let at = start; at < end; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, end - at), at);
    if (bytesRead === 0) break;
    at += bytesRead;
    const lines: Line[] = [];
    let from = 0;
    for (let newline = buffer.indexOf(10); newline !== -1 && newline < bytesRead; newline = buffer.indexOf(10, from)) {
      if (head.length === 0 && newline - from <= limit)
        lines.push({ text: buffer.toString('utf8', from, newline), more: 0 });
      else {
        take(from, newline);
        lines.push({ text: head.toString(), more });
      }
      head = Buffer.alloc(0);
      more = 0;
      from = newline + 1;
    }
    take(from, bytesRead);
    yield lines;
  }
  if (head.length > 0) yield [{ text: head.toString(), more }];
}

/** Counts the newlines in [start, end) of a file. */
export async function countLines(handle: FileHandle, start: number, end: number): Promise<number> {
  const buffer = Buffer.allocUnsafe(Math.min(READ_BYTES, end - start));
  let count = 0;
  for (let at = start; at < end; ) {
    const { bytesRead } = await handle.read(buffer, 0, Math.min(buffer.length, end - at), at);
    if (bytesRead === 0) break;
    at += bytesRead;
    for (
      let newline = buffer.indexOf(10);
      newline !== -1 && newline < bytesRead;
      newline = buffer.indexOf(10, newline + 1)
    ) {
      count++;
    }
  }
  return count;
}
