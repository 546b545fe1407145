import { createWriteStream } from 'node:fs';
import { type FileHandle, mkdir, open } from 'node:fs/promises';
import { join } from 'node:path';
import { type Readable, Transform } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { logWriteFailed } from '../../errors/logs.ts';
import { freeName, safeName } from '../file-name.ts';
import { OWN_FILES } from '../layout.ts';
import type { FileEntry } from '../types.ts';

/** Bytes of one added file; a guest's serial console has no other limit. */
const MAX_ADDED_BYTES = 256 << 20;

/** A folder on disk: its names that are taken, and the folders in it by the names given for them. */
interface FolderNames {
  path: string;
  taken: Set<string>;
  folders: Map<string, FolderNames>;
  made?: Promise<void>;
}

const newFolder = (path: string, taken: Iterable<string> = []): FolderNames => ({
  path,
  taken: new Set(taken),
  folders: new Map(),
});

/** Where a new file goes; its folder exists. */
interface FilePlace {
  /** Absolute path. */
  file: string;
  /** Path within the build's folder, with slashes. */
  path: string;
}

/** A file being written. */
export class NewFile {
  readonly #handle: FileHandle;
  readonly #place: FilePlace;
  readonly #closed: (size: number) => void;
  #written = 0;

  /** Use `Files.open`. */
  constructor(handle: FileHandle, place: FilePlace, closed: (size: number) => void) {
    this.#handle = handle;
    this.#place = place;
    this.#closed = closed;
  }

  /** Writes pieces in sequence from a position on. @throws CiError */
  async write(pieces: Buffer[], position: number): Promise<void> {
    let left = pieces;
    let at = position;
    try {
      while (left.length > 0) {
        // A disk that becomes full takes a part first.
        const { bytesWritten } = await this.#handle.writev(left, at);
        this.#written += bytesWritten;
        at += bytesWritten;
        left = behind(left, bytesWritten);
      }
    } catch (error) {
      throw logWriteFailed(this.#place.file, error);
    }
  }

  /** Closes it as it is. @returns bytes written */
  async close(): Promise<number> {
    await this.#handle.close().catch(() => undefined);
    this.#closed(this.#written);
    return this.#written;
  }
}

/** Returns what is left of pieces after their first bytes. */
function behind(pieces: readonly Buffer[], bytes: number): Buffer[] {
  let passed = bytes;
  return pieces.flatMap((piece) => {
    const from = Math.min(passed, piece.length);
    passed -= from;
    return from === piece.length ? [] : [piece.subarray(from)];
  });
}

/** The files in a build's folder other than Recheck's own: safe names, nothing is ever replaced. */
export class Files {
  readonly entries: FileEntry[] = [];
  readonly #root: string;
  readonly #top = newFolder('', OWN_FILES);
  /** Which guest a folder belongs to; files of another one go to a folder of their own. */
  readonly #owners = new Map<string, string>();

  constructor(root: string) {
    this.#root = root;
  }

  /** Returns the folder for a guest's files: `dir`, or `dir-guest` if it belongs to another guest. */
  folderFor(dir: string, guest: string): string[] {
    const segments = dir.split('/').filter((part) => part !== '' && part !== '.' && part !== '..');
    const key = segments.join('/');
    if ((this.#owners.get(key) ?? guest) === guest) this.#owners.set(key, guest);
    else if (segments.length === 0) segments.push(guest);
    else segments.push(`${segments.pop()}-${guest}`);
    return segments;
  }

  /** Reserves a free name for a file of that path (any text) and creates its folder. @throws CiError */
  async #place(segments: readonly string[]): Promise<FilePlace> {
    let at = this.#top;
    for (const segment of segments.slice(0, -1)) {
      let below = at.folders.get(segment);
      if (below === undefined) {
        below = newFolder(`${at.path}${freeName(safeName(segment), at.taken)}/`);
        at.folders.set(segment, below);
      }
      at = below;
    }
    const path = at.path + freeName(safeName(segments.at(-1) ?? ''), at.taken);
    at.made ??= mkdir(join(this.#root, at.path), { recursive: true }).then(() => undefined);
    try {
      await at.made;
    } catch (error) {
      throw logWriteFailed(join(this.#root, at.path), error);
    }
    return { file: join(this.#root, path), path };
  }

  /** Opens a new file under a free name for that path (any text). @throws CiError */
  async open(segments: readonly string[]): Promise<NewFile> {
    const place = await this.#place(segments);
    try {
      const handle = await open(place.file, 'wx', 0o644);
      return new NewFile(handle, place, (size) => this.#filled(place, size));
    } catch (error) {
      throw logWriteFailed(place.file, error);
    }
  }

  /** Writes at most 256 MiB of a stream to a new file. @throws CiError if it cannot be written */
  async add(name: string, stream: Readable): Promise<void> {
    const place = await this.#place(name.split('/').filter((part) => part !== '' && part !== '.' && part !== '..'));
    let size = 0;
    const bounded = new Transform({
      transform(chunk: Buffer, _encoding, done) {
        const kept = chunk.subarray(0, Math.max(0, MAX_ADDED_BYTES - size));
        size += kept.length;
        done(null, kept);
      },
    });
    try {
      await pipeline(stream, bounded, createWriteStream(place.file, { flags: 'wx', mode: 0o644 }));
    } catch (error) {
      throw logWriteFailed(place.file, error);
    } finally {
      this.#filled(place, size);
    }
  }

  #filled(place: FilePlace, size: number): void {
    this.entries.push({ path: place.path, size });
  }
}
