/** Milliseconds between two batches: at most ten a second. */
const PAUSE = 100;
/** Bytes of one batch. */
const BATCH = 64 * 1024;

/** Output on its way to the flow, in batches of whole lines; what does not fit is dropped and counted. */
export class Lines {
  readonly #send: (lines: string[], dropped: number) => void;
  /** Masks secrets in a line's bytes, seen as latin1. */
  readonly #mask: ((line: string) => string) | undefined;
  #rest: Buffer = Buffer.alloc(0);
  #lines: string[] = [];
  #bytes = 0;
  #dropped = 0;
  #timer: NodeJS.Timeout | undefined;
  #sentAt = 0;

  constructor(send: (lines: string[], dropped: number) => void, mask?: (line: string) => string) {
    this.#send = send;
    this.#mask = mask;
  }

  write(chunk: Buffer): void {
    if (this.#bytes >= BATCH) {
      this.#drop(chunk);
      return;
    }
    const data = this.#rest.length > 0 ? Buffer.concat([this.#rest, chunk]) : chunk;
    let start = 0;
    for (let end = data.indexOf(10); end >= 0; end = data.indexOf(10, start)) {
      this.#add(data.subarray(start, end));
      start = end + 1;
    }
    this.#rest = Buffer.from(data.subarray(start));
    if (this.#rest.length > BATCH) {
      this.#add(this.#rest);
      this.#rest = Buffer.alloc(0);
    }
    if (this.#lines.length + this.#dropped > 0)
      this.#timer ??= setTimeout(() => this.#batch(), Math.max(0, this.#sentAt + PAUSE - Date.now())).unref();
  }

  /** Sends what is left, the line without an end too. */
  flush(): void {
    if (this.#rest.length > 0) this.#add(this.#rest);
    this.#rest = Buffer.alloc(0);
    this.#batch();
  }

  #add(line: Buffer): void {
    if (this.#bytes + line.length > BATCH) {
      this.#dropped += 1;
      this.#bytes = BATCH;
      return;
    }
    this.#bytes += line.length + 1;
    const shown = this.#mask ? Buffer.from(this.#mask(line.toString('latin1')), 'latin1') : line;
    this.#lines.push(shown.toString('utf8'));
  }

  #drop(chunk: Buffer): void {
    this.#rest = Buffer.alloc(0);
    for (let end = chunk.indexOf(10); end >= 0; end = chunk.indexOf(10, end + 1)) this.#dropped += 1;
  }

  #batch(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#lines.length + this.#dropped === 0) return;
    this.#send(this.#lines, this.#dropped);
    this.#lines = [];
    this.#bytes = 0;
    this.#dropped = 0;
    this.#sentAt = Date.now();
  }
}
