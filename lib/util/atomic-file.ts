/**
 * Replaces files atomically: readers see the old content or the new content, never part of it, even after a crash.
 *
 * Content is flushed to the disk before the rename: after a power failure, some file systems would otherwise have an
 * empty file under the new name. Files that are rewritten anyway (pages, caches) skip this with `flush: false`. The
 * folder is not flushed: a power failure may restore the old content, which is complete too.
 *
 * The draft is `.<name>.<random>.new` in the same folder, so that concurrent writers do not interfere.
 */
import { randomBytes } from 'node:crypto';
import { closeSync, fsyncSync, openSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { type FileHandle, open, rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';

/** How a file is replaced. */
export interface AtomicFileOptions {
  /** Permission bits of the new file; 0600 if missing. */
  mode?: number;
  /** Whether to flush the content to the disk before the rename; true if missing. */
  flush?: boolean;
}

const DEFAULT_MODE = 0o600;

/** Characters per write: many small pieces are written together. */
const WRITE_CHARS = 64 << 10;

const draftOf = (file: string): string =>
  join(dirname(file), `.${basename(file)}.${randomBytes(4).toString('hex')}.new`);

/**
 * Replaces a file atomically; its folder must exist.
 *
 * @param content the text, or its pieces in order
 * @throws the error of the file system or of the iterator; the file keeps its old content
 */
export async function writeFileAtomic(
  file: string,
  content: string | Iterable<string> | AsyncIterable<string>,
  { mode = DEFAULT_MODE, flush = true }: AtomicFileOptions = {},
): Promise<void> {
  const draft = draftOf(file);
  try {
    const handle = await open(draft, 'wx', mode);
    try {
      await writePieces(handle, typeof content === 'string' ? [content] : content);
      if (flush) await handle.sync();
    } finally {
      await handle.close();
    }
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw error;
  }
}

/**
 * Replaces a file atomically and synchronously: for small files that are read, changed and written without other code of
 * this process running in between.
 *
 * @throws the error of the file system; the file keeps its old content
 */
export function writeFileAtomicSync(
  file: string,
  text: string,
  { mode = DEFAULT_MODE, flush = true }: AtomicFileOptions = {},
): void {
  const draft = draftOf(file);
  try {
    const handle = openSync(draft, 'wx', mode);
    try {
      writeFileSync(handle, text);
      if (flush) fsyncSync(handle);
    } finally {
      closeSync(handle);
    }
    renameSync(draft, file);
  } catch (error) {
    rmSync(draft, { force: true });
    throw error;
  }
}

async function writePieces(handle: FileHandle, pieces: Iterable<string> | AsyncIterable<string>): Promise<void> {
  let text = '';
  for await (const piece of pieces) {
    text += piece;
    if (text.length < WRITE_CHARS) continue;
    await append(handle, text);
    text = '';
  }
  if (text !== '') await append(handle, text);
}

/** Appends a text. The bytes of a string are freed with the write; those of a Buffer wait for the garbage collector. */
async function append(handle: FileHandle, text: string): Promise<void> {
  const { bytesWritten } = await handle.write(text);
  if (bytesWritten < Buffer.byteLength(text)) await handle.writeFile(Buffer.from(text).subarray(bytesWritten));
}
