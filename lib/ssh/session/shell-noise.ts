import type { Readable } from 'node:stream';
import type { MarkedCommand } from './command-line.ts';

/** Bytes before a mark that are kept for messages. */
const MAX_KEPT_BYTES = 2_000;

/** Bytes before a mark after which it is no longer waited for. */
const MAX_NOISE_BYTES = 4 * 2 ** 20;

/**
 * Milliseconds that a login shell may take before it runs the command: an overloaded machine may need a minute.
 */
const MAX_START_MS = 180_000;

/** Bytes of a command's input that are remembered until the program runs. */
const MAX_INPUT_BYTES = 256 * 2 ** 10;

/** Characters that a line of input must have to be recognized in the noise: `export A=b` has more, `done` fewer. */
const MIN_INPUT_CHARS = 8;

/** What came on a stream before its mark. */
interface Noise {
  /** Whether the mark has come: everything after it is the program's. */
  readonly over: boolean;
  /** The first bytes before it, as text. */
  text(): string;
}

/**
 * Drops what comes on a stream up to a mark, and remembers the beginning of it. Replaces the stream's `push` until the mark
 * has come; from then on data is handled as usual, with back-pressure and at no cost. Must be called before anything is
 * pushed.
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
  /** The end of the last chunk, in which the mark may have begun. */
  let tail = Buffer.alloc(0);
  const drop = (bytes: Buffer): void => {
    const piece = Buffer.from(bytes.subarray(0, MAX_KEPT_BYTES - keptBytes));
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
      // There is nothing to read, and ssh2 reports the command's end only once the stream has ended.
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
    text: () => Buffer.concat([...kept, tail.subarray(0, MAX_KEPT_BYTES - keptBytes)]).toString(),
  };
}

/** Keeps what a login shell prints before it runs a command out of the command's output. */
export class ShellNoise {
  readonly #stdout: Noise;
  readonly #stderr: Noise;
  readonly #late: NodeJS.Timeout;
  #input: Buffer[] = [];
  #inputBytes = 0;

  /** @param onFault called with what the shell did instead of running the command */
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
   * What the shell printed (the beginning of a long text), without lines that repeat the command's input, which may contain
   * secrets.
   */
  get said(): string {
    const input = Buffer.concat(this.#input)
      .toString()
      .split('\n')
      .map((line) => line.trim());
    const isInput = (line: string): boolean =>
      input.some((one) => one.length >= MIN_INPUT_CHARS && (line.includes(one) || one.includes(line)));
    return `${this.#stdout.text()}\n${this.#stderr.text()}`
      .split('\n')
      .filter((line) => line.trim() !== '' && !isInput(line.trim()))
      .join('\n')
      .trim();
  }

  /** Remembers the command's input: a start-up file that starts another shell makes that read it, and print it. */
  input(chunk: Buffer): void {
    if (this.begun || this.#inputBytes > MAX_INPUT_BYTES) return;
    this.#input.push(chunk);
    this.#inputBytes += chunk.length;
  }

  /** Stops waiting: the program runs, or the command has ended. */
  ended(): void {
    clearTimeout(this.#late);
    if (this.begun) this.#input = [];
  }
}
