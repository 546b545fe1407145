import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { logWriteFailed } from '../errors/logs.ts';

/** Characters written at once: a page of many small pieces is few writes, and a small one a single write. */
const PIECE = 64 << 10;

/**
 * Writes a file so that a reader sees the old one or the whole new one. The name meanwhile begins with a dot, which is
 * never served. One writer a file at a time. Rejects with a CiError.
 */
export async function writeAtomic(file: string, content: AsyncIterable<string> | Iterable<string>): Promise<void> {
  const draft = join(dirname(file), `.${basename(file)}.new`);
  try {
    const handle = await open(draft, 'w', 0o644);
    try {
      let text = '';
      for await (const piece of content) {
        text += piece;
        if (text.length < PIECE) continue;
        await append(handle, text);
        text = '';
      }
      if (text !== '') await append(handle, text);
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw logWriteFailed(file, error);
  }
}

/** Writes a text on. A string's bytes are freed with the write; those of a Buffer wait for the garbage collector. */
async function append(handle: FileHandle, text: string): Promise<void> {
  const { bytesWritten } = await handle.write(text);
  if (bytesWritten < Buffer.byteLength(text)) await handle.writeFile(Buffer.from(text).subarray(bytesWritten));
}
