import { clip, plainLine } from '../../util/plain-text.ts';
import { STAMP } from '../stamp.ts';

/** Characters kept: enough for the last twenty lines of nearly any log. */
const MAX_KEPT_CHARS = 64 << 10;
/** Characters returned of a line. */
const MAX_LINE_CHARS = 500;

/** Keeps the end of a console in bounded memory; adding to it is cheap. Texts are latin1 views of bytes. */
export class TailBuffer {
  #pieces: (string | Buffer)[] = [];
  #length = 0;
  #cut = false;

  /** Adds the next text. */
  push(text: string | Buffer): void {
    this.#pieces.push(text);
    this.#length += text.length;
    let drop = 0;
    while (this.#length - this.#pieces[drop]!.length > MAX_KEPT_CHARS) {
      this.#length -= this.#pieces[drop]!.length;
      drop++;
    }
    if (drop > 0) {
      this.#pieces.splice(0, drop);
      this.#cut = true;
    }
  }

  /** Returns the last `count` lines as plain text without their stamps, each of at most 501 characters. */
  tail(count: number): string[] {
    const all = this.#pieces.map((piece) => (typeof piece === 'string' ? piece : piece.toString('latin1'))).join('');
    const kept = all.slice(-MAX_KEPT_CHARS);
    // Joined so that the next call is cheap and the memory small.
    if (this.#pieces.length > 1) this.#pieces = [Buffer.from(kept, 'latin1').toString('latin1')];
    this.#cut ||= kept.length < all.length;
    this.#length = kept.length;
    const lines = kept.split('\n');
    if (lines.at(-1) === '') lines.pop();
    const show = (line: string, from: number) => plainLine(Buffer.from(line.slice(from), 'latin1').toString());
    const first = Math.max(0, lines.length - count);
    return lines.slice(first).map((line, index) => {
      // The oldest line has lost its beginning.
      if (this.#cut && first + index === 0) return `…${show(line, 0).slice(-MAX_LINE_CHARS)}`;
      return clip(show(line, STAMP.exec(line)?.[0].length ?? 0), MAX_LINE_CHARS + 1);
    });
  }
}
