import { escapeRegExp } from '../util/escape-regexp.ts';

const MASK = '***';
/** A shorter value would mask half of the log and protect nothing. */
const SHORTEST = 3;

/**
 * Replaces secret values in a stream of text by `***`, also where a value is split over two pieces: the end of a piece
 * that may be the beginning of a secret waits for the next one. Takes text, and latin1 views of UTF-8 bytes.
 */
export class Masker {
  #values: string[] = [];
  #pattern: RegExp | undefined;
  #held = '';

  /** Adds secrets (UTF-8 text): every line of at least three characters of each. */
  add(secrets: readonly string[]): void {
    const lines = secrets.flatMap((secret) => secret.split(/\r\n|[\r\n]/)).map((line) => line.trim());
    const long = lines.filter((line) => line.length >= SHORTEST);
    // Both as bytes of a console, seen as latin1, and as the text it is.
    const values = long.flatMap((line) => [Buffer.from(line).toString('latin1'), line]);
    // The longest first, so that a secret which contains another is masked whole.
    this.#values = [...new Set([...this.#values, ...values])].sort((a, b) => b.length - a.length);
    this.#pattern = this.#values.length === 0 ? undefined : new RegExp(this.#values.map(escapeRegExp).join('|'), 'g');
  }

  /** Whether anything is to be masked. */
  get active(): boolean {
    return this.#pattern !== undefined;
  }

  /** Takes the next piece; gives what can be shown by now. */
  push(piece: string): string {
    if (this.#pattern === undefined) return piece;
    const text = this.#held + piece;
    const safe = text.length - this.#beginning(text);
    let shown = '';
    let from = 0;
    for (const match of text.matchAll(this.#pattern)) {
      // A value found after this point may yet grow into a longer one.
      if (match.index >= safe) break;
      shown += text.slice(from, match.index) + MASK;
      from = match.index + match[0].length;
    }
    const to = Math.max(from, safe);
    this.#held = text.slice(to);
    return shown + text.slice(from, to);
  }

  /** The end of the stream: what waits is shown, or masked where it is long enough to give a secret away. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held.length >= SHORTEST ? MASK : held;
  }

  /** Masks a whole text. */
  whole(text: string): string {
    return this.#pattern === undefined ? text : text.replace(this.#pattern, MASK);
  }

  /** How many characters at the end of the text begin a secret without completing it. */
  #beginning(text: string): number {
    let most = 0;
    for (const value of this.#values) {
      for (let length = Math.min(value.length - 1, text.length); length > most; length--) {
        if (text.endsWith(value.slice(0, length))) most = length;
      }
    }
    return most;
  }
}
