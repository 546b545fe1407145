import { type FileHandle, open } from 'node:fs/promises';
import { logWriteFailed } from '../errors/logs.ts';
import type { Files, Place } from './files.ts';
import type { SftpSession } from './sftp-session.ts';

/** Bytes asked for at once; OpenSSH answers up to 256 KiB. */
const BLOCK = 128 << 10;
/** Files at a time. */
const FILES = 48;
/** Blocks of one file at a time. */
const BLOCKS = 8;
/** Blocks of all files at a time: 12 MiB of memory. */
const ALL_BLOCKS = 96;
/** Bytes read of a file that says it is empty: those of /proc are not. */
const UNTOLD = 1 << 20;

/** Lets so many in at a time, in order. */
class Gate {
  #free: number;
  readonly #queue: (() => void)[] = [];

  constructor(places: number) {
    this.#free = places;
  }

  async enter(): Promise<void> {
    if (this.#free > 0) this.#free--;
    else await new Promise<void>((resolve) => this.#queue.push(resolve));
  }

  leave(): void {
    const next = this.#queue.shift();
    if (next) next();
    else this.#free++;
  }
}

/** Copies files of one SFTP session to free places here. */
export class Copier {
  readonly #session: SftpSession;
  readonly #files: Files;
  readonly #unreadable: (path: string) => void;
  readonly #fileGate = new Gate(FILES);
  readonly #blockGate = new Gate(ALL_BLOCKS);
  readonly #buffers: Buffer[] = [];
  files = 0;
  bytes = 0;

  constructor(session: SftpSession, files: Files, unreadable: (path: string) => void) {
    this.#session = session;
    this.#files = files;
    this.#unreadable = unreadable;
  }

  /** Copies the file's first `size` bytes: one that grows meanwhile is cut there, one that shrinks ends early. */
  async copy(path: string, segments: readonly string[], size: number): Promise<void> {
    await this.#fileGate.enter();
    try {
      const handle = await this.#session.open(path);
      if (handle === undefined) return this.#unreadable(path);
      try {
        await this.#write(path, handle, await this.#files.place(segments), size);
      } finally {
        this.#session.close(handle);
      }
    } finally {
      this.#fileGate.leave();
    }
  }

  async #write(path: string, remote: Buffer, place: Place, size: number): Promise<void> {
    let local: FileHandle;
    try {
      local = await open(place.file, 'wx', 0o644);
    } catch (error) {
      throw logWriteFailed(place.file, error);
    }
    let written = 0;
    let next = 0;
    let end = size;
    const lane = async (): Promise<void> => {
      while (next < end) {
        const from = next;
        const to = Math.min(end, from + BLOCK);
        next = to;
        const got = await this.#block(path, remote, local, place.file, from, to);
        written += got;
        if (got < to - from) end = Math.min(end, from + got);
      }
    };
    try {
      if (size === 0) {
        for (let got = -1; got !== 0 && written < UNTOLD; written += got) {
          got = await this.#block(path, remote, local, place.file, written, written + BLOCK, true);
        }
      } else {
        const lanes = Array.from({ length: Math.min(BLOCKS, Math.ceil(size / BLOCK)) }, lane);
        await Promise.allSettled(lanes);
        await Promise.all(lanes);
      }
    } finally {
      await local.close().catch(() => undefined);
      this.#files.filled(place, written);
    }
    this.files++;
    this.bytes += written;
  }

  /** Copies [from, to); fewer bytes mean that the file ends there. `once`: one answer is enough. */
  async #block(
    path: string,
    remote: Buffer,
    local: FileHandle,
    file: string,
    from: number,
    to: number,
    once = false,
  ): Promise<number> {
    await this.#blockGate.enter();
    const buffer = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(BLOCK);
    try {
      let at = from;
      while (at < to) {
        const got = await this.#session.read(remote, path, buffer, to - at, at);
        if (!got) break;
        await local.write(buffer, 0, got, at).catch((error: unknown) => {
          throw logWriteFailed(file, error);
        });
        at += got;
        if (once) break;
      }
      this.#buffers.push(buffer);
      return at - from;
    } finally {
      this.#blockGate.leave();
    }
  }
}
