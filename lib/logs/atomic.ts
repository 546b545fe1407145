import { createWriteStream } from 'node:fs';
import { rename, rm } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { logWriteFailed } from '../errors/logs.ts';

/**
 * Writes a file so that a reader sees the old one or the whole new one. The name meanwhile begins with a dot, which is
 * never served. One writer a file at a time. Rejects with a CiError.
 */
export async function writeAtomic(file: string, content: AsyncIterable<string> | Iterable<string>): Promise<void> {
  const draft = join(dirname(file), `.${basename(file)}.new`);
  try {
    await pipeline(
      Readable.from(content, { objectMode: true, highWaterMark: 2 }),
      createWriteStream(draft, { mode: 0o644 }),
    );
    await rename(draft, file);
  } catch (error) {
    await rm(draft, { force: true }).catch(() => undefined);
    throw logWriteFailed(file, error);
  }
}
