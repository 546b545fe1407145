/** Bytes of a block: a header is one, and contents are padded to complete blocks. */
const BLOCK_BYTES = 512;
/** Bytes of the metadata before an entry: a path has up to 4096, and there may be a few more records. */
const MAX_META_BYTES = 64 << 10;

/** Kinds of entries, of ustar and pax (POSIX, "pax Interchange Format") and of GNU (tar.h). */
const REGULAR = new Set(['0', '7', '\0']);
/** Links, devices, folders, pipes: they have no contents, whatever their size. */
const NO_CONTENTS = /[1-6]/;
const PAX = 'x';
const GNU_NAME = 'L';

/** Receives what a TarReader finds. */
export interface TarTaker {
  /** A regular file begins; its name as in the archive. */
  file(name: string, size: number): void;
  /** A piece of that file. */
  data(chunk: Buffer): void;
  /** That file is complete. */
  end(): void;
}

/**
 * Reads consecutive tar archives from an untrusted stream, in pieces of any size. Passes on regular files, skips
 * everything else, and keeps only a header and a name in memory. Supports ustar, path and size of pax, and the long
 * names and large sizes of GNU tar.
 */
export class TarReader {
  readonly #taker: TarTaker;
  readonly #header = Buffer.alloc(BLOCK_BYTES);
  #filled = 0;
  /** What the current contents are, and how many bytes of them and of their padding are still to come. */
  #body: 'file' | 'pax' | 'name' | 'other' = 'other';
  #left = 0;
  #padding = 0;
  #meta: Buffer[] = [];
  /** Name and size from the metadata before the next header. */
  #name: string | undefined;
  #size: number | undefined;

  constructor(taker: TarTaker) {
    this.#taker = taker;
  }

  /** Takes the next piece. @throws Error if it is not a tar archive */
  write(chunk: Buffer): void {
    let at = 0;
    while (at < chunk.length) {
      if (this.#left > 0) {
        const piece = chunk.subarray(at, at + this.#left);
        at += piece.length;
        this.#left -= piece.length;
        if (this.#body === 'file') this.#taker.data(piece);
        else if (this.#body !== 'other') this.#meta.push(piece);
        if (this.#left === 0) this.#close();
      } else if (this.#padding > 0) {
        const passed = Math.min(this.#padding, chunk.length - at);
        at += passed;
        this.#padding -= passed;
      } else {
        const copied = chunk.copy(this.#header, this.#filled, at);
        at += copied;
        this.#filled += copied;
        if (this.#filled === BLOCK_BYTES) this.#open();
      }
    }
  }

  /** Reads a header. */
  #open(): void {
    this.#filled = 0;
    const header = this.#header;
    if (!isWhole(header)) {
      // Empty blocks end an archive; another one may follow.
      if (header.every((byte) => byte === 0)) return;
      throw new Error('it is not a tar archive');
    }
    const kind = String.fromCharCode(header[156]!);
    const size = NO_CONTENTS.test(kind) ? 0 : numberAt(header, 124, 12);
    if (kind === PAX || kind === GNU_NAME) {
      if (size > MAX_META_BYTES) throw new Error(`metadata of ${size} bytes`);
      this.#begin(kind === PAX ? 'pax' : 'name', size);
      return;
    }
    const name = this.#name ?? nameOf(header);
    const real = this.#size ?? size;
    this.#name = undefined;
    this.#size = undefined;
    const regular = REGULAR.has(kind);
    if (regular) this.#taker.file(name, real);
    this.#begin(regular ? 'file' : 'other', NO_CONTENTS.test(kind) ? 0 : real);
  }

  #begin(body: 'file' | 'pax' | 'name' | 'other', size: number): void {
    this.#body = body;
    this.#left = size;
    this.#padding = (BLOCK_BYTES - (size % BLOCK_BYTES)) % BLOCK_BYTES;
    if (size === 0) this.#close();
  }

  #close(): void {
    if (this.#body === 'file') this.#taker.end();
    else if (this.#body === 'name') this.#name = textAt(Buffer.concat(this.#meta), 0, MAX_META_BYTES);
    else if (this.#body === 'pax') this.#readPax(Buffer.concat(this.#meta));
    this.#meta = [];
  }

  /** Records `LENGTH KEY=VALUE\n`, the length being the whole record's. */
  #readPax(records: Buffer): void {
    for (let at = 0; at < records.length; ) {
      const space = records.indexOf(' ', at);
      const length = space === -1 ? Number.NaN : Number(records.toString('latin1', at, space));
      const end = at + length;
      const equals = records.indexOf('=', space);
      if (!(end > equals && equals !== -1 && end <= records.length)) throw new Error('an invalid pax record');
      const key = records.toString('utf8', space + 1, equals);
      const value = records.toString('utf8', equals + 1, end - 1);
      if (key === 'path') this.#name = value;
      if (key === 'size') this.#size = checked(/^\d+$/.test(value) ? Number(value) : Number.NaN);
      at = end;
    }
  }
}

function checked(size: number): number {
  if (!Number.isSafeInteger(size) || size < 0) throw new Error('an invalid size');
  return size;
}

/** Whether a header's checksum is right: the sum of its bytes, with its own eight as spaces. */
function isWhole(header: Buffer): boolean {
  let sum = 8 * 0x20;
  for (let at = 0; at < BLOCK_BYTES; at++) if (at < 148 || at >= 156) sum += header[at]!;
  const said = /^ *([0-7]+)[ \0]/.exec(header.toString('latin1', 148, 157))?.[1];
  return said !== undefined && Number.parseInt(said, 8) === sum;
}

/** Reads a number in octal, or in binary if the first bit is set (GNU). */
function numberAt(header: Buffer, at: number, length: number): number {
  if (header[at]! & 0x80) {
    let value = header[at]! & 0x7f;
    for (let byte = at + 1; byte < at + length; byte++) value = value * 256 + header[byte]!;
    return checked(value);
  }
  const digits = /^ *([0-7]*)[ \0]*$/.exec(header.toString('latin1', at, at + length))?.[1];
  return checked(digits === undefined ? Number.NaN : Number.parseInt(digits || '0', 8));
}

function textAt(from: Buffer, at: number, length: number): string {
  const end = from.indexOf(0, at);
  return from.toString('utf8', at, end === -1 || end > at + length ? at + length : end);
}

/** Reads the name; in ustar its first part is in the prefix field, which GNU uses for something else. */
function nameOf(header: Buffer): string {
  const name = textAt(header, 0, 100);
  const prefix = header.toString('latin1', 257, 263) === 'ustar\0' ? textAt(header, 345, 155) : '';
  return prefix === '' ? name : `${prefix}/${name}`;
}
