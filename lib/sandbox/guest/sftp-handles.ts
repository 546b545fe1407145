import type { Dir } from 'node:fs';
import type { FileHandle } from 'node:fs/promises';

/** Open files per SFTP session; sshd has a limit too. */
const MAX_HANDLE_COUNT = 1024;

/** An open file, or an open folder. */
export type Opened = { file: FileHandle } | { folder: Dir; path: string };

/** The open files and folders of one SFTP session, by their handles. */
export class Handles {
  readonly #open = new Map<number, Opened>();
  #next = 0;
  #closed = false;

  /** Adds an open file or folder. @returns its handle @throws Error if there are too many */
  add(opened: Opened): Buffer {
    if (this.#closed || this.#open.size >= MAX_HANDLE_COUNT) {
      void close(opened);
      throw new Error('too many open files');
    }
    const handle = Buffer.alloc(4);
    handle.writeUInt32BE(this.#next);
    this.#open.set(this.#next, opened);
    this.#next = (this.#next + 1) >>> 0;
    return handle;
  }

  /** Returns the file of a handle. @throws Error if it is not the handle of an open file */
  file(handle: Buffer): FileHandle {
    const opened = this.#open.get(keyOf(handle));
    if (!opened || !('file' in opened)) throw new Error('not an open file');
    return opened.file;
  }

  /** Returns the folder of a handle. @throws Error if it is not the handle of an open folder */
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

  /** Closes everything when the session ends; what is opened later is closed immediately. */
  closeAll(): void {
    this.#closed = true;
    for (const opened of this.#open.values()) close(opened).catch(() => {});
    this.#open.clear();
  }
}

const keyOf = (handle: Buffer): number => (handle.length === 4 ? handle.readUInt32BE() : -1);

const close = (opened: Opened): Promise<void> => ('file' in opened ? opened.file.close() : opened.folder.close());
