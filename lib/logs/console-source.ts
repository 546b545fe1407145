import type { ConsoleWriter } from './console.ts';

/** Bytes of a line held until its end arrives; a longer line is split. */
const MAX_LINE_BYTES = 16 << 10;

/**
 * One of several streams into a console. Passes on whole lines, so that guests which write at the same time do not
 * split each other's lines (or the secrets to mask in them), and prefixes each with the stream's name.
 */
export class ConsoleSource {
  readonly #console: ConsoleWriter;
  readonly #prefix: string;
  #held: Buffer = Buffer.alloc(0);

  /** @param name prefix of each line */
  constructor(console: ConsoleWriter, name: string) {
    this.#console = console;
    this.#prefix = Buffer.from(`${name} | `).toString('latin1');
  }

  /** Adds output as it arrived. As with `ConsoleWriter.write`, a promise means: wait. */
  write(chunk: Buffer): void | Promise<void> {
    const end = chunk.lastIndexOf(10) + 1;
    const lines = end === 0 ? undefined : Buffer.concat([this.#held, chunk.subarray(0, end)]);
    const rest = chunk.subarray(end);
    this.#held = end === 0 ? Buffer.concat([this.#held, rest]) : Buffer.from(rest);
    if (lines !== undefined) {
      const wait = this.#send(lines);
      return this.#held.length > MAX_LINE_BYTES ? this.end() : wait;
    }
    return this.#held.length > MAX_LINE_BYTES ? this.end() : undefined;
  }

  /** Completes a last line that has no newline. */
  end(): void | Promise<void> {
    if (this.#held.length === 0) return undefined;
    const line = Buffer.concat([this.#held, Buffer.from('\n')]);
    this.#held = Buffer.alloc(0);
    return this.#send(line);
  }

  #send(lines: Buffer): void | Promise<void> {
    const text = lines.toString('latin1', 0, lines.length - 1).replace(/\n/g, `\n${this.#prefix}`);
    return this.#console.write(Buffer.from(`${this.#prefix}${text}\n`, 'latin1'));
  }
}
