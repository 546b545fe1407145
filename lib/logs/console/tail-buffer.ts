import { clip, plainLine } from '../../util/plain-text.ts';
import { STAMP } from '../stamp.ts';

/** Characters kept; the last twenty lines of nearly any log. */
const KEPT = 64 << 10;
/** Characters shown of a line. */
const LINE = 500;

/** The end of a console, kept in memory: bounded, and cheap while nobody asks. Texts are latin1 views of bytes. */
export class TailBuffer {
  #pieces: (string | Buffer)[] = [];
  #length = 0;
  #cut = false;

  push(text: string | Buffer): void {
    this.#pieces.push(text);
    this.#length += text.length;
    let drop = 0;
    while (this.#length - this.#pieces[drop]!.length > KEPT) {
      this.#length -= this.#pieces[drop]!.length;
      drop++;
    }
    if (drop > 0) {
      this.#pieces.splice(0, drop);
      this.#cut = true;
    }
  }

  /** The last `count` lines as plain text, without their stamps, each bounded. */
  tail(count: number): string[] {
    const all = this.#pieces.map((piece) => (typeof piece === 'string' ? piece : piece.toString('latin1'))).join('');
    const kept = all.slice(-KEPT);
    // What is kept is joined so that the next call, and the memory, are as small as can be.
    if (this.#pieces.length > 1) this.#pieces = [Buffer.from(kept, 'latin1').toString('latin1')];
    this.#cut ||= kept.length < all.length;
    this.#length = kept.length;
    const lines = kept.split('\n');
    if (lines.at(-1) === '') lines.pop();
    const show = (line: string, from: number) => plainLine(Buffer.from(line.slice(from), 'latin1').toString());
    const first = Math.max(0, lines.length - count);
    return lines.slice(first).map((line, index) => {
      // The oldest line kept has lost its beginning.
      if (this.#cut && first + index === 0) return `…${show(line, 0).slice(-LINE)}`;
      return clip(show(line, STAMP.exec(line)?.[0].length ?? 0), LINE + 1);
    });
  }
}
