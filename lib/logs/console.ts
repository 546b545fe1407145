import { open } from 'node:fs/promises';
import { logWriteFailed } from '../errors/logs.ts';
import { formatGib } from '../util/format.ts';
import { Spool } from './console/spool.ts';
import { TailBuffer } from './console/tail-buffer.ts';
import { Masker } from './mask.ts';
import { STAMP_CHARS, stamper } from './stamp.ts';

/** Bytes of a console on disk if its settings name no other limit. */
export const DEFAULT_CONSOLE_BYTES = 4 * 2 ** 30;
/** Bytes stamped at once: small strings are collected cheaply. */
const STAMP_BYTES = 8 << 10;
/**
 * Bytes per millisecond in which every line gets its time. More is a flood, in which times would be a quarter of it.
 */
const MAX_TIMED_BYTES = 16 << 10;
/** Bytes of a flood written at once: the last line of each piece has its time. */
export const FLOOD_BYTES = 64 << 10;
/** Part of every stamp: a line without it cannot be mistaken for one that begins with a stamp. */
const BAR_BYTE = '|'.charCodeAt(0);
/** Bytes of Recheck's own lines beyond the limit. */
const MAX_OWN_BYTES = 1 << 20;

const NEWLINE = /\n/g;
const NEWLINE_BYTE = 10;

/** Measures a console that an earlier process began. `open`: its last line has no newline. @throws CiError */
async function measureConsole(file: string): Promise<{ bytes: number; lines: number; open: boolean }> {
  const found = { bytes: 0, lines: 0, open: false };
  let handle: Awaited<ReturnType<typeof open>>;
  try {
    handle = await open(file, 'r');
  } catch {
    return found;
  }
  try {
    if (!(await handle.stat()).isFile()) return found;
    const buffer = Buffer.allocUnsafe(256 << 10);
    for (;;) {
      const { bytesRead } = await handle.read(buffer, 0, buffer.length);
      if (bytesRead === 0) break;
      found.bytes += bytesRead;
      for (let at = buffer.indexOf(10); at !== -1 && at < bytesRead; at = buffer.indexOf(10, at + 1)) found.lines++;
      found.open = buffer[bytesRead - 1] !== 10;
    }
    if (found.open) found.lines++;
    return found;
  } catch (error) {
    throw logWriteFailed(file, error);
  } finally {
    await handle.close();
  }
}

/**
 * The console of a build on disk: every line with the UTC time at which it began to arrive (`2026-11-22 15:57:01.123 |
 * text`), otherwise byte for byte. Only in a flood, beyond 16 KiB within one millisecond, may a line lack its time: it
 * arrived in the millisecond of the nearest line above that has one. Only its end is kept in memory.
 */
export class ConsoleWriter {
  readonly #spool: Spool;
  readonly #limit: number;
  readonly #stamp = stamper();
  readonly #history = new TailBuffer();
  readonly #masker = new Masker();
  #bytes: number;
  #lines: number;
  /** Whether the last line has no newline yet. */
  #open: boolean;
  #limited = false;
  /** The time of the last output, and how many more bytes get it on each line. */
  #now = '';
  #timed = 0;
  #closing: Promise<void> | undefined;
  /** The writers waiting for the disk, in order. */
  #waiting: Promise<void> | undefined;

  private constructor(spool: Spool, limit: number, found: { bytes: number; lines: number; open: boolean }) {
    this.#spool = spool;
    this.#limit = limit;
    this.#bytes = found.bytes;
    this.#lines = found.lines;
    this.#open = found.open;
  }

  /** Opens a console and appends to what the file holds. @param limit bytes on disk @throws CiError */
  static async open(file: string, { limit = DEFAULT_CONSOLE_BYTES }: { limit?: number } = {}): Promise<ConsoleWriter> {
    const found = await measureConsole(file);
    return new ConsoleWriter(await Spool.open(file), limit, found);
  }

  /** Lines begun so far; the next one of `line` has the number `lines + 1`. */
  get lines(): number {
    return this.#lines;
  }

  /** Bytes so far, on disk or on their way. */
  get bytes(): number {
    return this.#bytes;
  }

  /**
   * Adds output as it arrived. A promise means that the disk is behind: send no more until it resolves. It rejects with
   * a CiError (DISK_FULL if the disk is full) once a write has failed.
   */
  write(chunk: Buffer): void | Promise<void> {
    if (this.#waiting !== undefined) return this.#wait(chunk, 0);
    if (this.#spool.error !== undefined) return this.#failed();
    if (this.#closing !== undefined) return undefined;
    for (let at = 0; at < chunk.length; ) {
      if (this.#spool.behind) return this.#wait(chunk, at);
      at += this.#output(chunk, at);
    }
    return this.#spool.behind ? this.#wait(chunk, chunk.length) : undefined;
  }

  /** Adds a line of Recheck's own. Never throws; `write` and `close` report a failed disk. */
  line(text: string): void {
    if (this.#closing !== undefined || this.#bytes > this.#limit + MAX_OWN_BYTES) return;
    this.#flushMask();
    const line = Buffer.from(text.slice(0, 8192).replace(/[\r\n]+/g, ' ')).toString('latin1');
    this.#append(`${this.#open ? '\n' : ''}${this.#stamp()}${this.#masker.whole(line)}\n`);
    this.#lines++;
    this.#open = false;
  }

  /** Masks these values (and each line of a longer one) as `***` from now on. */
  mask(secrets: readonly string[]): void {
    this.#flushMask();
    this.#masker.add(secrets);
  }

  /** Returns the last `count` lines, without times, escapes and control characters, each of at most 500 characters. */
  tail(count: number): string[] {
    return this.#history.tail(count);
  }

  /** Waits until everything written so far is in the file. Never rejects. */
  async flushed(): Promise<void> {
    await this.#waiting?.catch(() => undefined);
    await this.#spool.flushed();
  }

  /** Waits until everything written so far is in the file. @throws CiError if any write failed */
  async saved(): Promise<void> {
    await this.flushed();
    if (this.#spool.error !== undefined) throw this.#spool.error;
  }

  /** Writes the rest and closes the file. @throws CiError if any write failed */
  close(): Promise<void> {
    this.#closing ??= this.#close();
    return this.#closing;
  }

  async #close(): Promise<void> {
    await this.#waiting?.catch(() => undefined);
    this.#flushMask();
    if (this.#open) this.#append('\n');
    this.#open = false;
    await this.#spool.close();
  }

  #failed(): Promise<void> {
    const failed = Promise.reject(this.#spool.error);
    // A caller that did not wait gets it from `close`.
    failed.catch(() => undefined);
    return failed;
  }

  #wait(chunk: Buffer, from: number): Promise<void> {
    const before = this.#waiting ?? Promise.resolve();
    const waiting: Promise<void> = before
      .then(async () => {
        for (let at = from; at < chunk.length; ) {
          await this.#spool.drained();
          at += this.#output(chunk, at);
        }
        await this.#spool.drained();
        if (this.#spool.error !== undefined) throw this.#spool.error;
      })
      .finally(() => {
        if (this.#waiting === waiting) this.#waiting = undefined;
      });
    waiting.catch(() => undefined);
    this.#waiting = waiting;
    return waiting;
  }

  /** Adds a piece of a chunk. @returns how many bytes it took */
  #output(chunk: Buffer, from: number): number {
    if (this.#limited) return chunk.length;
    const now = this.#stamp();
    if (now !== this.#now) {
      this.#now = now;
      this.#timed = MAX_TIMED_BYTES;
    }
    if (this.#timed <= 0 && !this.#masker.active) {
      const piece = chunk.subarray(from, from + FLOOD_BYTES);
      const bar = piece.indexOf(BAR_BYTE);
      const flood = piece.subarray(0, piece.lastIndexOf(NEWLINE_BYTE, bar === -1 ? piece.length - 2 : bar) + 1);
      if (flood.length > 0 && flood.length <= this.#limit - this.#bytes) {
        this.#flood(flood);
        return flood.length;
      }
    }
    const to = Math.min(chunk.length, from + STAMP_BYTES);
    this.#timed -= to - from;
    const piece = chunk.toString('latin1', from, to);
    this.#stamped(this.#masker.active ? this.#masker.push(piece) : piece);
    return to - from;
  }

  /** Adds complete lines as they are: without converting them to strings, gigabytes cause no garbage. */
  #flood(lines: Buffer): void {
    let newlines = 0;
    for (let at = lines.indexOf(NEWLINE_BYTE); at !== -1; at = lines.indexOf(NEWLINE_BYTE, at + 1)) newlines++;
    // The first line may have begun earlier.
    this.#lines += newlines - (this.#open ? 1 : 0);
    this.#open = false;
    this.#append(lines);
  }

  #flushMask(): void {
    if (this.#masker.active) this.#stamped(this.#masker.flush());
  }

  /**
   * Prefixes each line with a stamp. `replace` of one character by a constant runs inside V8 at more than 1 GB/s; a
   * loop over bytes, or a search for each newline, takes three times as long.
   */
  #stamped(text: string): void {
    if (text === '') return;
    const stamp = this.#stamp();
    const many = text.replace(NEWLINE, `\n${stamp}`);
    const newlines = (many.length - text.length) / STAMP_CHARS;
    const ends = text.endsWith('\n');
    const lines = ends ? many.slice(0, -STAMP_CHARS) : many;
    const room = this.#limit - this.#bytes - (this.#open ? 0 : STAMP_CHARS);
    if (lines.length > room) {
      this.#full(lines.slice(0, lines.lastIndexOf('\n', Math.max(0, room)) + 1));
      return;
    }
    if (!this.#open) this.#append(stamp);
    this.#lines += newlines + (this.#open ? 0 : 1) - (ends ? 1 : 0);
    this.#open = !ends;
    this.#append(lines);
  }

  /** Handles the limit: keeps the complete lines that still fit, and adds a line that says so. */
  #full(fits: string): void {
    this.#limited = true;
    if (fits !== '') {
      if (!this.#open) this.#append(this.#stamp());
      this.#lines += fits.split('\n').length - 1 - (this.#open ? 1 : 0);
      this.#append(fits);
      this.#open = false;
    }
    this.line(`The console reached its limit of ${formatGib(this.#limit)}: later output is dropped.`);
  }

  #append(text: string | Buffer): void {
    this.#bytes += text.length;
    this.#history.push(text);
    this.#spool.append(text);
  }
}
