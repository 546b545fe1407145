import type { Files, NewFile } from './files.ts';

/** Bytes of one file that are written at once. */
const PORTION = 1 << 20;
/** Bytes that may be on their way to the disk, and files that may be open. */
const MOST_BYTES = 16 << 20;
const MOST_FILES = 64;

/** Writes files that come one behind the other: some are on their way to the disk while the next come. */
export class WriteQueue {
  readonly #files: Files;
  readonly #onFault: (error: unknown) => void;
  #bytes = 0;
  #open = 0;
  #wake = (): void => {};

  /** @param onFault told, once or more, that a file cannot be written: more of it would wait for room that never comes */
  constructor(files: Files, onFault: (error: unknown) => void) {
    this.#files = files;
    this.#onFault = onFault;
  }

  /** Begins a file at a free place for that path (any text). */
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

  /** Whether as much as may be is on its way. */
  get full(): boolean {
    return this.#bytes > MOST_BYTES || this.#open > MOST_FILES;
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

/** What an intake is told of its files. */
interface Told {
  taken(bytes: number): void;
  written(bytes: number): void;
  /** @param left bytes that were taken and not written */
  closed(left: number): void;
  /** It cannot be written. */
  failed(error: unknown): void;
}

/** A file whose bytes come now. It must be ended. */
export class Incoming {
  readonly #opening: Promise<NewFile>;
  readonly #told: Told;
  #writing: Promise<NewFile>;
  #pieces: Buffer[] = [];
  #held = 0;
  #at = 0;
  #written = 0;

  constructor(opening: Promise<NewFile>, told: Told) {
    this.#opening = opening;
    this.#told = told;
    this.#writing = opening;
    this.#writing.catch(told.failed);
  }

  /** Takes the next bytes. */
  write(piece: Buffer): void {
    this.#pieces.push(piece);
    this.#held += piece.length;
    this.#told.taken(piece.length);
    if (this.#held >= PORTION) this.#flush();
  }

  /** Closes it when all that came is written. Rejects with a CiError. @returns bytes written */
  async end(): Promise<number> {
    if (this.#held > 0) this.#flush();
    let file: NewFile | undefined;
    try {
      file = await this.#opening;
      await this.#writing;
    } finally {
      await file?.close();
      this.#told.closed(this.#at - this.#written);
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
      this.#told.written(bytes);
      return file;
    });
    this.#writing.catch(this.#told.failed);
  }
}
