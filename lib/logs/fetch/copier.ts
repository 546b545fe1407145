import { Semaphore } from '../../util/semaphore.ts';
import type { Files, NewFile } from './files.ts';
import type { SftpSession } from './sftp-session.ts';

/** Bytes per request; OpenSSH returns up to 256 KiB. */
const BLOCK_BYTES = 128 << 10;
/** Files copied at once. */
const MAX_OPEN_FILE_COUNT = 48;
/** Blocks of one file requested at once. */
const MAX_BLOCK_COUNT_PER_FILE = 8;
/** Blocks of all files requested at once: 12 MiB of memory. */
const MAX_BLOCK_COUNT = 96;
/** Bytes read of a file with a size of 0, which those of /proc have. */
const MAX_UNSIZED_BYTES = 1 << 20;

/** Copies files of one SFTP session to new files here. */
export class Copier {
  readonly #session: SftpSession;
  readonly #files: Files;
  readonly #openFiles = new Semaphore(MAX_OPEN_FILE_COUNT);
  readonly #openBlocks = new Semaphore(MAX_BLOCK_COUNT);
  readonly #buffers: Buffer[] = [];

  constructor(session: SftpSession, files: Files) {
    this.#session = session;
    this.#files = files;
  }

  /**
   * Copies a file's first `size` bytes; one that shrinks meanwhile ends early.
   *
   * @returns bytes written; undefined if it cannot be read
   */
  async copy(path: string, segments: readonly string[], size: number): Promise<number | undefined> {
    return this.#openFiles.pass(async () => {
      const handle = await this.#session.open(path);
      if (handle === undefined) return undefined;
      try {
        return await this.#write(path, handle, await this.#files.open(segments), size);
      } finally {
        this.#session.close(handle);
      }
    });
  }

  async #write(path: string, remote: Buffer, local: NewFile, size: number): Promise<number> {
    let written = 0;
    let next = 0;
    let end = size;
    const lane = async (): Promise<void> => {
      while (next < end) {
        const from = next;
        const to = Math.min(end, from + BLOCK_BYTES);
        next = to;
        const got = await this.#block(path, remote, local, from, to);
        if (got < to - from) end = Math.min(end, from + got);
      }
    };
    try {
      if (size === 0) {
        for (let got = -1; got !== 0 && written < MAX_UNSIZED_BYTES; written += got) {
          got = await this.#block(path, remote, local, written, written + BLOCK_BYTES, true);
        }
      } else {
        const lanes = Array.from({ length: Math.min(MAX_BLOCK_COUNT_PER_FILE, Math.ceil(size / BLOCK_BYTES)) }, lane);
        await Promise.allSettled(lanes);
        await Promise.all(lanes);
      }
    } finally {
      written = await local.close();
    }
    return written;
  }

  /**
   * Copies [from, to) and returns the bytes copied; fewer mean that the file ends there. `once`: one answer is enough.
   */
  async #block(path: string, remote: Buffer, local: NewFile, from: number, to: number, once = false): Promise<number> {
    return this.#openBlocks.pass(async () => {
      const buffer = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(BLOCK_BYTES);
      let at = from;
      while (at < to) {
        const got = await this.#session.read(remote, path, buffer, to - at, at);
        if (!got) break;
        await local.write([buffer.subarray(0, got)], at);
        at += got;
        if (once) break;
      }
      this.#buffers.push(buffer);
      return at - from;
    });
  }
}
