/** Time between two batches: at most ten per second. */
const BATCH_INTERVAL_MS = 100;
const MAX_BATCH_BYTES = 64 * 1024;

/** Sends output in batches of whole lines; what exceeds a batch is dropped and counted. */
export class LineBatcher {
  readonly #send: (lines: string[], dropped: number) => void;
  /** Masks secrets in a line, whose bytes are decoded as latin1. */
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

  /** Adds output, which may end within a line. */
  write(chunk: Buffer): void {
    if (this.#bytes >= MAX_BATCH_BYTES) {
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
    if (this.#rest.length > MAX_BATCH_BYTES) {
      this.#add(this.#rest);
      this.#rest = Buffer.alloc(0);
    }
    if (this.#lines.length + this.#dropped > 0)
      this.#timer ??= setTimeout(
        () => this.#sendBatch(),
        Math.max(0, this.#sentAt + BATCH_INTERVAL_MS - Date.now()),
      ).unref();
  }

  /** Sends the rest, including a last line without a newline. */
  flush(): void {
    if (this.#rest.length > 0) this.#add(this.#rest);
    this.#rest = Buffer.alloc(0);
    this.#sendBatch();
  }

  #add(line: Buffer): void {
    if (this.#bytes + line.length > MAX_BATCH_BYTES) {
      this.#dropped += 1;
      this.#bytes = MAX_BATCH_BYTES;
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

  #sendBatch(): void {
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
