const NEWLINE = 10;

/**
 * Cuts a stream of bytes into lines. Memory is bounded: a line longer than the limit is left out while it is read and
 * counted instead. A line's end is \n; a \r before it stays (JSON takes it for white space). Empty lines are passed by.
 */
export class LineSplitter {
  readonly #limit: number;
  readonly #onLine: (line: string) => void;
  readonly #onOverlong: () => void;
  #parts: Buffer[] = [];
  #size = 0;
  #overlong = false;

  /** `limit` in bytes; within one piece of the stream in characters. */
  constructor(limit: number, onLine: (line: string) => void, onOverlong: () => void) {
    this.#limit = limit;
    this.#onLine = onLine;
    this.#onOverlong = onOverlong;
  }

  push(chunk: Buffer): void {
    let start = 0;
    if (this.#size > 0 || this.#overlong) {
      const end = chunk.indexOf(NEWLINE);
      this.#keep(end === -1 ? chunk : chunk.subarray(0, end));
      if (end === -1) return;
      this.end();
      start = end + 1;
    }
    const last = chunk.lastIndexOf(NEWLINE);
    if (last >= start) {
      // All whole lines are decoded at once, and cut as text: several times faster than one by one.
      const text = chunk.toString('utf8', start, last + 1);
      for (let from = 0, to = text.indexOf('\n'); to !== -1; from = to + 1, to = text.indexOf('\n', from)) {
        if (to - from > this.#limit) this.#onOverlong();
        else if (to > from) this.#onLine(text.slice(from, to));
      }
      start = last + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** The stream has ended: what is left is a line as well. */
  end(): void {
    const parts = this.#parts;
    const overlong = this.#overlong;
    const size = this.#size;
    this.#parts = [];
    this.#size = 0;
    this.#overlong = false;
    if (overlong) this.#onOverlong();
    else if (size > 0) this.#onLine(Buffer.concat(parts, size).toString('utf8'));
  }

  #keep(part: Buffer): void {
    if (this.#overlong) return;
    if (this.#size + part.length > this.#limit) {
      this.#overlong = true;
      this.#parts = [];
      this.#size = 0;
      return;
    }
    // Small pieces are joined as they come, or a line sent byte by byte would cost an object a byte.
    const last = this.#parts.at(-1);
    if (last !== undefined && last.length < 4096) this.#parts[this.#parts.length - 1] = Buffer.concat([last, part]);
    else this.#parts.push(part);
    this.#size += part.length;
  }
}
