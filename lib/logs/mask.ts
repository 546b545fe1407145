import { escapeRegExp } from '../util/escape-regexp.ts';

const MASK = '***';
/** Characters; a shorter value would mask half of the log and protect nothing. */
const MIN_SECRET_CHARS = 3;

/**
 * Replaces secret values in a stream of text with `***`, including values split over two pieces: the end of a piece
 * that may begin a secret is held until the next one. Takes text, or latin1 views of UTF-8 bytes.
 */
export class Masker {
  #values: string[] = [];
  #pattern: RegExp | undefined;
  #held = '';

  /** Adds secrets; of each, every line of at least three characters is masked. */
  add(secrets: readonly string[]): void {
    const lines = secrets.flatMap((secret) => secret.split(/\r\n|[\r\n]/)).map((line) => line.trim());
    const long = lines.filter((line) => line.length >= MIN_SECRET_CHARS);
    // Both the latin1 view of its UTF-8 bytes and the text itself.
    const values = long.flatMap((line) => [Buffer.from(line).toString('latin1'), line]);
    // Longest first, so that a secret that contains another is masked completely.
    this.#values = [...new Set([...this.#values, ...values])].sort((a, b) => b.length - a.length);
    this.#pattern = this.#values.length === 0 ? undefined : new RegExp(this.#values.map(escapeRegExp).join('|'), 'g');
  }

  /** Whether there are secrets to mask. */
  get active(): boolean {
    return this.#pattern !== undefined;
  }

  /** Takes the next piece and returns what can be shown so far. */
  push(piece: string): string {
    if (this.#pattern === undefined) return piece;
    const text = this.#held + piece;
    const safe = text.length - this.#beginning(text);
    let shown = '';
    let from = 0;
    for (const match of text.matchAll(this.#pattern)) {
      // A value after this point may be the beginning of a longer one.
      if (match.index >= safe) break;
      shown += text.slice(from, match.index) + MASK;
      from = match.index + match[0].length;
    }
    const to = Math.max(from, safe);
    this.#held = text.slice(to);
    return shown + text.slice(from, to);
  }

  /** Ends the stream: returns the held text, masked if it is long enough to reveal a secret. */
  flush(): string {
    const held = this.#held;
    this.#held = '';
    return held.length >= MIN_SECRET_CHARS ? MASK : held;
  }

  /** Masks a whole text. */
  whole(text: string): string {
    return this.#pattern === undefined ? text : text.replace(this.#pattern, MASK);
  }

  /** Counts the characters at the end of the text that begin a secret without completing it. */
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
