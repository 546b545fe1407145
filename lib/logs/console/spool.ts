import { type FileHandle, open } from 'node:fs/promises';
import type { CiError } from '../../errors/ci-error.ts';
import { logWriteFailed } from '../../errors/logs.ts';

/**
 * Bytes of one buffer. Many are handed to the kernel at once, but not as one larger buffer: that makes some kernels
 * look for large pages, at up to ten times the cost.
 */
const BUFFER_BYTES = 64 << 10;
/** Bytes of the first buffer: most consoles are a few lines, and many may be open. */
const FIRST_BUFFER_BYTES = 2 << 10;
/** Full buffers that may wait for the disk before writers have to. */
const MAX_FULL_BUFFER_COUNT = 16;

interface FilledBuffer {
  buffer: Buffer;
  used: number;
}

/**
 * Appends to a file without blocking: buffers are filled here and written in the background, one write at a time; what
 * is appended meanwhile goes into the next one. Buffers are reused, so that gigabytes cause no garbage.
 */
export class Spool {
  readonly file: string;
  readonly #handle: FileHandle;
  #current: Buffer = Buffer.allocUnsafe(FIRST_BUFFER_BYTES);
  #used = 0;
  readonly #full: FilledBuffer[] = [];
  readonly #free: Buffer[] = [];
  #running: Promise<void> | undefined;
  readonly #waiters: (() => void)[] = [];
  /** The first error of a write; everything after it is dropped. */
  error: CiError | undefined;

  private constructor(file: string, handle: FileHandle) {
    this.file = file;
    this.#handle = handle;
  }

  /** Opens the file for appending, creating it if it is missing. @throws CiError */
  static async open(file: string): Promise<Spool> {
    try {
      return new Spool(file, await open(file, 'a', 0o644));
    } catch (error) {
      throw logWriteFailed(file, error);
    }
  }

  /** Appends bytes, or text in latin1. */
  append(data: string | Buffer): void {
    if (this.error !== undefined) return;
    for (let from = 0; from < data.length; ) {
      if (this.#used === this.#current.length) {
        this.#full.push({ buffer: this.#current, used: this.#used });
        this.#renew(BUFFER_BYTES);
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
    return this.#full.length >= MAX_FULL_BUFFER_COUNT;
  }

  /** Waits until the disk has caught up, or has failed. */
  async drained(): Promise<void> {
    while (this.behind && this.error === undefined) await new Promise<void>((resolve) => this.#waiters.push(resolve));
  }

  /** Waits until everything appended is written, or has failed. */
  async flushed(): Promise<void> {
    while (this.#running !== undefined) await this.#running;
  }

  /** Writes the rest and closes the file. @throws CiError the first error of any write */
  async close(): Promise<void> {
    await this.flushed();
    await this.#handle.close().catch((error: unknown) => {
      this.error ??= logWriteFailed(this.file, error);
    });
    this.#free.length = 0;
    if (this.error !== undefined) throw this.error;
  }

  async #run(): Promise<void> {
    // Combines a burst of small appends into one write.
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
        // Enough for all that wait and all that are being written: dropping and allocating buffers makes memory grow.
        if (buffer.length === BUFFER_BYTES && this.#free.length < 2 * MAX_FULL_BUFFER_COUNT) this.#free.push(buffer);
      }
      for (const wake of this.#waiters.splice(0)) wake();
    }
    this.#running = undefined;
  }

  /**
   * Takes everything that waits, in order: a socket delivers megabytes per turn of the event loop, and a write ends
   * once per turn.
   */
  #take(): FilledBuffer[] {
    const batch = this.#full.splice(0);
    if (this.#used > 0) {
      batch.push({ buffer: this.#current, used: this.#used });
      // Keep a small buffer for little output: with much of it, a full buffer has come before.
      this.#renew(batch.length === 1 ? this.#current.length : BUFFER_BYTES);
    }
    return batch;
  }

  #renew(size: number): void {
    this.#current =
      size < BUFFER_BYTES ? Buffer.allocUnsafe(size) : (this.#free.pop() ?? Buffer.allocUnsafeSlow(BUFFER_BYTES));
    this.#used = 0;
  }

  async #write(batch: FilledBuffer[]): Promise<void> {
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
