/**
 * Replaces files atomically: a reader, and a start after a crash, finds the old content or the new one, never a part.
 *
 * The one fsync rule: content is flushed to the disk before the rename, because after a power failure a file system may
 * otherwise show the new name with no content. Only what is written again anyway (a page, a cache) skips that, with
 * `flush: false`. The folder is not flushed: a power failure may bring the old content back, which is a whole file too.
 *
 * The draft stands beside the file as `.<name>.<random>.new`, so that two writers of one file do not disturb each
 * other.
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

/** Characters written at once: a page of many small pieces takes few writes, and a small one a single write. */
const WRITE_CHARS = 64 << 10;

const draftOf = (file: string): string =>
  join(dirname(file), `.${basename(file)}.${randomBytes(4).toString('hex')}.new`);

/**
 * Replaces a file atomically; its folder must exist.
 *
 * @param content the text, or its pieces in order
 * @throws the file system's error, or the one of the iterator; the file then has its old content
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
 * Replaces a file atomically, as `writeFileAtomic` does, without yielding: for small files that are read and written in
 * one go, so that nobody in this process comes between.
 *
 * @throws the file system's error; the file then has its old content
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
