import type { Readable } from 'node:stream';
import type { MarkedCommand } from './command-line.ts';

/** Bytes of what came before a mark that are kept, for messages. */
const KEPT_BYTES = 2_000;

/** Bytes before a mark after which it is not waited for any more. */
const MAX_NOISE_BYTES = 4 * 2 ** 20;

/**
 * Milliseconds that a login shell may take before it runs the command: a machine whose processors or disks are overloaded
 * may need a minute.
 */
const MAX_START_MS = 180_000;

/** Bytes of a command's input that are remembered until the program runs. */
const MAX_INPUT_BYTES = 256 * 2 ** 10;

/** Characters of a line of input by which it is known again: `export A=b` has more, `done` fewer. */
const MIN_INPUT_LENGTH = 8;

/** What a stream brought before its mark. */
interface Noise {
  /** Whether the mark has come: all that follows is the program's. */
  readonly over: boolean;
  /** The first bytes before it, as text. */
  text(): string;
}

/**
 * Drops what a stream brings up to a mark, and remembers the beginning of it. It takes the place of the stream's `push`
 * until the mark has come: data then takes its usual way, back-pressure included, at no cost. Must be called before
 * anything was pushed.
 *
 * @param onTooMuch called once, when MAX_NOISE_BYTES have come without the mark
 * @param onMark called when the mark has come
 */
function skipNoise(stream: Readable, mark: string, onTooMuch: () => void, onMark: () => void): Noise {
  const wanted = Buffer.from(mark);
  const kept: Buffer[] = [];
  let keptBytes = 0;
  let dropped = 0;
  let over = false;
  /** The end of what came last, in which the mark may have begun. */
  let tail = Buffer.alloc(0);
  const drop = (bytes: Buffer): void => {
    const piece = Buffer.from(bytes.subarray(0, KEPT_BYTES - keptBytes));
    keptBytes += piece.length;
    if (piece.length > 0) kept.push(piece);
    const before = dropped;
    dropped += bytes.length;
    if (before < MAX_NOISE_BYTES && dropped >= MAX_NOISE_BYTES) onTooMuch();
  };
  stream.push = (chunk: Buffer | null): boolean => {
    if (chunk === null) {
      drop(tail);
      tail = Buffer.alloc(0);
      Reflect.deleteProperty(stream, 'push');
      const more = stream.push(null);
      // There is nothing to be read, and ssh2 tells of the command's end only once that is known.
      stream.resume();
      return more;
    }
    const data = tail.length === 0 ? chunk : Buffer.concat([tail, chunk]);
    const at = data.indexOf(wanted);
    if (at < 0) {
      const from = Math.max(0, data.length - wanted.length + 1);
      drop(data.subarray(0, from));
      tail = Buffer.from(data.subarray(from));
      return true;
    }
    drop(data.subarray(0, at));
    over = true;
    tail = Buffer.alloc(0);
    Reflect.deleteProperty(stream, 'push');
    onMark();
    const rest = data.subarray(at + wanted.length);
    return rest.length === 0 || stream.push(rest);
  };
  return {
    get over() {
      return over;
    },
    text: () => Buffer.concat([...kept, tail.subarray(0, KEPT_BYTES - keptBytes)]).toString(),
  };
}

/** What a login shell does before it runs a command, kept out of the command's output. */
export class ShellNoise {
  readonly #stdout: Noise;
  readonly #stderr: Noise;
  readonly #late: NodeJS.Timeout;
  #input: Buffer[] = [];
  #inputBytes = 0;

  /** @param onFault called with what the shell did, if it will not run the command */
  constructor(
    streams: { stdout: Readable; stderr: Readable },
    { stdoutMark, stderrMark }: MarkedCommand,
    onFault: (how: string) => void,
  ) {
    const onTooMuch = (): void => onFault(`printed over ${MAX_NOISE_BYTES / 2 ** 20} MiB before it ran`);
    this.#late = setTimeout(() => onFault(`had not run, within ${MAX_START_MS / 1000} s,`), MAX_START_MS).unref();
    this.#stdout = skipNoise(streams.stdout, stdoutMark, onTooMuch, () => this.ended());
    this.#stderr = skipNoise(streams.stderr, stderrMark, onTooMuch, () => {});
  }

  /** Whether the program runs, or has run. */
  get begun(): boolean {
    return this.#stdout.over;
  }

  /**
   * What the shell printed, the first bytes of a longer text; without what repeats the command's input, in which there
   * may be secrets.
   */
  get said(): string {
    const input = Buffer.concat(this.#input)
      .toString()
      .split('\n')
      .map((line) => line.trim());
    const isInput = (line: string): boolean =>
      input.some((one) => one.length >= MIN_INPUT_LENGTH && (line.includes(one) || one.includes(line)));
    return `${this.#stdout.text()}\n${this.#stderr.text()}`
      .split('\n')
      .filter((line) => line.trim() !== '' && !isInput(line.trim()))
      .join('\n')
      .trim();
  }

  /** Notes what the command is given: a start-up file that becomes another shell has that read it, and print it. */
  input(chunk: Buffer): void {
    if (this.begun || this.#inputBytes > MAX_INPUT_BYTES) return;
    this.#input.push(chunk);
    this.#inputBytes += chunk.length;
  }

  /** The program runs, or the command has ended: nothing is waited for any more. */
  ended(): void {
    clearTimeout(this.#late);
    if (this.begun) this.#input = [];
  }
}
