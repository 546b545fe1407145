import fs from 'node:fs';
import { lstat, readdir } from 'node:fs/promises';
import { join } from 'node:path';
import type { SFTPWrapper } from 'ssh2';

type Callback<T> = (error: Error | null | undefined, value: T) => void;

/** Returns a file's attributes as SFTP has them: times in seconds. */
function attributes(stats: fs.Stats): fs.Stats {
  return Object.assign(stats, { atime: Math.floor(stats.atimeMs / 1000), mtime: Math.floor(stats.mtimeMs / 1000) });
}

const withAttributes =
  <A>(call: (what: A, done: Callback<fs.Stats>) => void) =>
  (what: A, done: Callback<fs.Stats>): void =>
    call(what, (error, stats) => (error ? done(error, stats) : done(undefined, attributes(stats))));

async function list(path: string): Promise<unknown[]> {
  const names = await readdir(path);
  return Promise.all(
    names.map(async (filename) => ({
      filename,
      longname: filename,
      attrs: attributes(await lstat(join(path, filename))),
    })),
  );
}

/**
 * Returns an SFTP session on the files of this machine with these calls: stat, lstat, fstat, readdir, open, read, write,
 * close, readFile, writeFile, the two streams, mkdir, rmdir, unlink, rename, chmod, realpath, readlink. Most are those of
 * `node:fs`. Other SFTP calls are missing.
 */
export function localSftp(): SFTPWrapper {
  const { open, read, write, close, readFile, writeFile, createReadStream, createWriteStream } = fs;
  const { mkdir, rmdir, unlink, rename, chmod, realpath, readlink } = fs;
  const session = {
    ...{ open, read, write, close, readFile, writeFile, createReadStream, createWriteStream },
    ...{ mkdir, rmdir, unlink, rename, chmod, realpath, readlink },
    stat: withAttributes<string>(fs.stat),
    lstat: withAttributes<string>(fs.lstat),
    fstat: withAttributes<number>(fs.fstat),
    readdir(path: string, done: Callback<unknown[]>) {
      list(path).then(
        (entries) => done(undefined, entries),
        (error) => done(error, []),
      );
    },
    end() {},
  };
  return session as unknown as SFTPWrapper;
}
