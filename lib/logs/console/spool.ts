import { type FileHandle, open } from 'node:fs/promises';
import type { CiError } from '../../errors/ci-error.ts';
import { logWriteFailed } from '../../errors/logs.ts';

/**
 * Bytes of one buffer. They are handed to the kernel many at a time, but as pieces of this size: longer ones make some
 * kernels look for large pages, at up to ten times the cost.
 */
const BUFFER = 64 << 10;
/** And of the first one: most consoles are a few lines, and many may be open. */
const FIRST = 2 << 10;
/** Full buffers that may wait before a writer must. */
const HIGH = 16;

interface Filled {
  buffer: Buffer;
  used: number;
}

/**
 * Appends to a file without ever blocking: buffers are filled here and written behind, one write at a time, all that
 * came meanwhile in the next. Buffers are used again and again, so that gigabytes cost no garbage.
 */
export class Spool {
  readonly file: string;
  readonly #handle: FileHandle;
  #current: Buffer = Buffer.allocUnsafe(FIRST);
  #used = 0;
  readonly #full: Filled[] = [];
  readonly #free: Buffer[] = [];
  #running: Promise<void> | undefined;
  readonly #waiters: (() => void)[] = [];
  /** The first error of a write; everything after it is dropped. */
  error: CiError | undefined;

  private constructor(file: string, handle: FileHandle) {
    this.file = file;
    this.#handle = handle;
  }

  /** Opens (or makes) the file for appending. Rejects with a CiError. */
  static async open(file: string): Promise<Spool> {
    try {
      return new Spool(file, await open(file, 'a', 0o644));
    } catch (error) {
      throw logWriteFailed(file, error);
    }
  }

  /** Appends bytes, or a latin1 text. */
  append(data: string | Buffer): void {
    if (this.error !== undefined) return;
    for (let from = 0; from < data.length; ) {
      if (this.#used === this.#current.length) {
        this.#full.push({ buffer: this.#current, used: this.#used });
        this.#renew(BUFFER);
      }
      const room = this.#current.length - this.#used;
      const taken = Math.min(room, data.length - from);
      if (typeof data === 'string') {
        const part = taken === data.length ? data : data.slice(from, from + taken);
        this.#current.write(part, this.#used, 'latin1');
      } else data.copy(this.#current, this.#used, from, from + taken);
      this.#used += taken;
      from += taken;
    }
    this.#running ??= this.#run();
  }

  /** Whether the disk is behind: wait for `drained` before the next append. */
  get behind(): boolean {
    return this.#full.length >= HIGH;
  }

  /** Resolves when the disk has caught up; at once where it has failed. */
  async drained(): Promise<void> {
    while (this.behind && this.error === undefined) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Resolves when all that was appended is written, or has failed. */
  async flushed(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Writes the rest and closes the file. Rejects with the first error of any write. */
  async close(): Promise<void> {
    await this.flushed();
    await this.#handle.close().catch((error: unknown) => {
      this.error ??= logWriteFailed(this.file, error);
    });
    this.#free.length = 0;
    if (this.error !== undefined) throw this.error;
  }

  async #run(): Promise<void> {
    // Lets the caller's burst of small appends become one write.
    await Promise.resolve();
    while (this.error === undefined && (this.#full.length > 0 || this.#used > 0)) {
      const batch = this.#take();
      try {
        await this.#write(batch);
      } catch (error) {
        this.error = logWriteFailed(this.file, error);
        this.#full.length = 0;
        this.#used = 0;
      }
      for (const { buffer } of batch) {
        // Room for all that wait and all that are in a write: what is dropped and made anew is what memory grows by.
        if (buffer.length === BUFFER && this.#free.length < 2 * HIGH) this.#free.push(buffer);
      }
      for (const wake of this.#waiters.splice(0)) wake();
    }
    this.#running = undefined;
  }

  /** All that waits, in order. A socket brings megabytes in one turn of the event loop, and a write ends once in a turn. */
  #take(): Filled[] {
    const batch = this.#full.splice(0);
    if (this.#used > 0) {
      batch.push({ buffer: this.#current, used: this.#used });
      // Small while the output is: a full buffer has come before where there is much of it.
      this.#renew(batch.length === 1 ? this.#current.length : BUFFER);
    }
    return batch;
  }

  #renew(size: number): void {
    this.#current = size < BUFFER ? Buffer.allocUnsafe(size) : (this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER));
    this.#used = 0;
  }

  async #write(batch: Filled[]): Promise<void> {
    let views = batch.map(({ buffer, used }) => buffer.subarray(0, used));
    while (views.length > 0) {
      let { bytesWritten } = await this.#handle.writev(views);
      views = views.flatMap((view) => {
        const done = Math.min(bytesWritten, view.length);
        bytesWritten -= done;
        return done === view.length ? [] : [view.subarray(done)];
      });
    }
  }
}
