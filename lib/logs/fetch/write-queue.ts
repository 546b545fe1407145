import type { Files, NewFile } from './files.ts';

/** Bytes of one file written at once. */
const WRITE_BYTES = 1 << 20;
/** Bytes waiting for the disk, and files open, before `full`. */
const MAX_PENDING_BYTES = 16 << 20;
const MAX_OPEN_FILE_COUNT = 64;

/** Writes files that arrive in sequence: the next ones arrive while others are being written. */
export class WriteQueue {
  readonly #files: Files;
  readonly #onFault: (error: unknown) => void;
  #bytes = 0;
  #open = 0;
  #wake = (): void => {};

  /** @param onFault called, possibly repeatedly, if a file cannot be written: the queue would never become less full */
  constructor(files: Files, onFault: (error: unknown) => void) {
    this.#files = files;
    this.#onFault = onFault;
  }

  /** Begins a file under a free name for that path (any text). */
  begin(segments: readonly string[]): Incoming {
    this.#open++;
    return new Incoming(this.#files.open(segments), {
      taken: (bytes) => {
        this.#bytes += bytes;
      },
      written: (bytes) => {
        this.#bytes -= bytes;
        this.#wake();
      },
      closed: (left) => {
        this.#open--;
        this.#bytes -= left;
        this.#wake();
      },
      failed: this.#onFault,
    });
  }

  /** Whether no more should be read for now. */
  get full(): boolean {
    return this.#bytes > MAX_PENDING_BYTES || this.#open > MAX_OPEN_FILE_COUNT;
  }

  /** Waits while it is full. */
  async room(): Promise<void> {
    while (this.full) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

/** What the queue is told about a file. */
interface IncomingEvents {
  taken(bytes: number): void;
  written(bytes: number): void;
  /** @param left bytes that were taken but not written */
  closed(left: number): void;
  /** The file cannot be written. */
  failed(error: unknown): void;
}

/** A file that is arriving; `end` must be called. */
export class Incoming {
  readonly #opening: Promise<NewFile>;
  readonly #events: IncomingEvents;
  #writing: Promise<NewFile>;
  #pieces: Buffer[] = [];
  #held = 0;
  #at = 0;
  #written = 0;

  constructor(opening: Promise<NewFile>, events: IncomingEvents) {
    this.#opening = opening;
    this.#events = events;
    this.#writing = opening;
    this.#writing.catch(events.failed);
  }

  /** Takes the next bytes. */
  write(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#held += piece.length;
    this.#events.taken(piece.length);
    if (this.#held >= WRITE_BYTES) this.#flush();
  }

  /** Closes it once everything is written. @returns bytes written @throws CiError */
  async end(): Promise<number> {
    if (this.#held > 0) this.#flush();
    let file: NewFile | undefined;
    try {
      file = await this.#opening;
      await this.#writing;
    } finally {
      await file?.close();
      this.#events.closed(this.#at - this.#written);
    }
    return this.#written;
  }

  #flush(): void {
    const [pieces, bytes, at] = [this.#pieces, this.#held, this.#at];
    this.#pieces = [];
    this.#held = 0;
    this.#at += bytes;
    this.#writing = this.#writing.then(async (file) => {
      await file.write(pieces, at);
      this.#written += bytes;
      this.#events.written(bytes);
      return file;
    });
    this.#writing.catch(this.#events.failed);
  }
}
