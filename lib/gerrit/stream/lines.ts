const NEWLINE_BYTE = 10;

/**
 * Splits a stream of bytes into lines. Memory is bounded: a line longer than the limit is skipped and only reported. A
 * line ends with \n; a \r before it stays (white space in JSON). Empty lines are skipped.
 */
export class LineSplitter {
  readonly #limit: number;
  readonly #onLine: (line: string) => void;
  readonly #onOverlong: () => void;
  #parts: Buffer[] = [];
  #size = 0;
  #overlong = false;

  /** @param limit bytes of a line; characters if the line arrives in one piece */
  constructor(limit: number, onLine: (line: string) => void, onOverlong: () => void) {
    this.#limit = limit;
    this.#onLine = onLine;
    this.#onOverlong = onOverlong;
  }

  /** Takes the next piece of the stream. */
  push(chunk: Buffer): void {
    let start = 0;
    if (this.#size > 0 || this.#overlong) {
      const end = chunk.indexOf(NEWLINE_BYTE);
      this.#keep(end === -1 ? chunk : chunk.subarray(0, end));
      if (end === -1) return;
      this.end();
      start = end + 1;
    }
    const last = chunk.lastIndexOf(NEWLINE_BYTE);
    if (last >= start) {
      // Decoding all complete lines at once is several times faster than one by one.
      const text = chunk.toString('utf8', start, last + 1);
      for (let from = 0, to = text.indexOf('\n'); to !== -1; from = to + 1, to = text.indexOf('\n', from)) {
        if (to - from > this.#limit) this.#onOverlong();
        else if (to > from) this.#onLine(text.slice(from, to));
      }
      start = last + 1;
    }
    if (start < chunk.length) this.#keep(chunk.subarray(start));
  }

  /** Ends the stream; what is left is the last line. */
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
    // Small pieces are joined, or a line sent byte by byte would take one object per byte.
    const last = this.#parts.at(-1);
    if (last !== undefined && last.length < 4096) this.#parts[this.#parts.length - 1] = Buffer.concat([last, part]);
    else this.#parts.push(part);
    this.#size += part.length;
  }
}
