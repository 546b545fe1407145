import type { Dir } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** More open files than this in one SFTP session are refused, as sshd does. */
const HANDLE_LIMIT = 1024;

/** An open file, or an open folder. */
export type Opened = { file: FileHandle } | { folder: Dir; path: string };

/** The files and folders that one SFTP session has open, by the handles that its client knows. */
export class Handles {
  readonly #open = new Map<number, Opened>();
  #next = 0;
  #closed = false;

  /** Keeps what was opened until it is closed. @throws Error where there are too many */
  add(opened: Opened): Buffer {
    if (this.#closed || this.#open.size >= HANDLE_LIMIT) {
      void close(opened);
      throw new Error('too many open files');
    }
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(this.#next);
    this.#open.set(this.#next, opened);
    this.#next = (this.#next + 1) >>> 0;
    return handle;
  }

  /** @throws Error where it is no handle of an open file */
  file(handle: Buffer): FileHandle {
    const opened = this.#open.get(keyOf(handle));
    if (!opened || !('file' in opened)) throw new Error('not an open file');
    return opened.file;
  }

  /** @throws Error where it is no handle of an open folder */
  folder(handle: Buffer): { folder: Dir; path: string } {
    const opened = this.#open.get(keyOf(handle));
    if (!opened || !('folder' in opened)) throw new Error('not an open folder');
    return opened;
  }

  async close(handle: Buffer): Promise<void> {
    const opened = this.#open.get(keyOf(handle));
    if (!opened) throw new Error('not an open file');
    this.#open.delete(keyOf(handle));
    await close(opened);
  }

  /** Closes all, when the session ends; what is opened later is closed at once. */
  closeAll(): void {
    this.#closed = true;
    for (const opened of this.#open.values()) close(opened).catch(() => {});
    this.#open.clear();
  }
}

const keyOf = (handle: Buffer): number => (handle.length === 4 ? handle.readUInt32BE() : -1);

const close = (opened: Opened): Promise<void> => ('file' in opened ? opened.file.close() : opened.folder.close());
