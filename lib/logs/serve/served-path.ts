import { constants } from 'node:fs';
import { type FileHandle, lstat, open } from 'node:fs/promises';
import { join } from 'node:path';

/** What a request's path leads to. */
export type Served =
  | { kind: 'file'; file: string; segments: string[] }
  | { kind: 'folder'; file: string; segments: string[] };

/** Returns the segments of a request's path; undefined for one that Recheck never creates (`..`, hidden, malformed). */
function segmentsOf(path: string): string[] | undefined {
  const segments: string[] = [];
  for (const part of path.split('/')) {
    if (part === '') continue;
    let segment: string;
    try {
      segment = decodeURIComponent(part);
    } catch {
      return undefined;
    }
    if (segment.startsWith('.') || /[/\\\0]/.test(segment)) return undefined;
    segments.push(segment);
  }
  return segments;
}

/** Finds what a path names below root; undefined if there is nothing to serve. Symbolic links are never followed. */
export async function findServed(root: string, path: string): Promise<Served | undefined> {
  const segments = segmentsOf(path);
  if (segments === undefined) return undefined;
  let file = root;
  let folder = true;
  for (const segment of segments) {
    if (!folder) return undefined;
    file = join(file, segment);
    const found = await lstat(file).catch(() => undefined);
    if (found === undefined || !(found.isDirectory() || found.isFile())) return undefined;
    folder = found.isDirectory();
  }
  return { kind: folder ? 'folder' : 'file', file, segments };
}

/** Opens a file found by `findServed`; refuses a link or a device that has replaced it. */
export const openServed = (file: string): Promise<FileHandle> =>
  open(file, constants.O_RDONLY | constants.O_NOFOLLOW | constants.O_NONBLOCK);
