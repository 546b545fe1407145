import type { Stats } from 'node:fs';
import type { Attributes, FileEntry } from 'ssh2';

const TYPES: [test: (stats: Stats) => boolean, letter: string][] = [
  [(s) => s.isDirectory(), 'd'],
  [(s) => s.isSymbolicLink(), 'l'],
  [(s) => s.isFIFO(), 'p'],
  [(s) => s.isSocket(), 's'],
  [(s) => s.isCharacterDevice(), 'c'],
  [(s) => s.isBlockDevice(), 'b'],
];

/** Returns a file's attributes in SFTP version 3: times in whole seconds. */
export const attributesOf = (stats: Stats): Attributes => ({
  mode: stats.mode,
  uid: stats.uid,
  gid: stats.gid,
  size: stats.size,
  atime: Math.floor(stats.atimeMs / 1000),
  mtime: Math.floor(stats.mtimeMs / 1000),
});

/** Returns an entry of a folder's listing; `longname` is as in `ls -l`, because clients print it. */
export function entryOf(filename: string, stats: Stats): FileEntry {
  const letter = TYPES.find(([test]) => test(stats))?.[1] ?? '-';
  const rights = [...'rwxrwxrwx'].map((r, i) => (stats.mode & (0o400 >> i) ? r : '-')).join('');
  const date = stats.mtime.toISOString().slice(0, 16).replace('T', ' ');
  return {
    filename,
    longname: `${letter}${rights} ${stats.nlink} ${stats.uid} ${stats.gid} ${stats.size} ${date} ${filename}`,
    attrs: attributesOf(stats),
  };
}
