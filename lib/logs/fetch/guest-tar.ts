import { CiError } from '../../errors/ci-error.ts';
import { fetchBroken, fetchLost, fetchSilent } from '../../errors/logs.ts';
import type { Host, Running } from '../../ssh/types.ts';
import type { Files } from './files.ts';
import { TarReader } from './tar-reader.ts';
import { type Incoming, WriteQueue } from './write-queue.ts';

/**
 * xargs reads the names from stdin and passes them to tar, as many at a time as an argument list holds: the tar of some
 * busyboxes cannot read them itself, and none of them with NUL at their ends. The guest's shell sees only these words.
 */
const TAR_ARGV = ['xargs', '-0', 'tar', '-c', '-f', '-', '--'];

/** Files of the kernel, whose reported size is wrong. */
const KERNEL_FILE = /^\/(proc|sys)\//;

/** Milliseconds for the guest to start tar. */
const START_TIMEOUT_MS = 10_000;
/** Bytes beyond the files requested (headers, growth of files) after which tar is stopped. */
const MAX_UNWANTED_BYTES = 64 << 20;

/** Settings of a guest's tar. */
export interface GuestTarOptions {
  guest: string;
  /** Seconds without an answer after which the guest is considered lost. */
  silence: number;
  signal: AbortSignal;
  /** Called when the guest is considered lost. */
  onSilent(error: Error): void;
}

/** A file that was requested and has not arrived yet. */
interface RequestedFile {
  path: string;
  segments: readonly string[];
  size: number;
  resolve(bytes: number | undefined | Promise<number>): void;
}

/**
 * A guest's tar, which gets names and sends files in one stream, without a round trip per file. It is only a shortcut:
 * it may be missing, refuse, or send anything, and the caller fetches what it does not deliver.
 */
export class GuestTar {
  readonly #running: Running;
  readonly #options: GuestTarOptions;
  readonly #writeQueue: WriteQueue;
  readonly #asked = new Map<string, RequestedFile>();
  readonly #watch: NodeJS.Timeout;
  readonly #onAbort = () => this.close();
  #names = '';
  /** The file that is arriving. */
  #now: { asked: RequestedFile; incoming: Incoming; wanted: number } | undefined;
  #heard = Date.now();
  /** Whether all names have been sent. */
  #complete = false;
  /** Whether it is waiting for the disk here. */
  #busy = false;
  #waste = 0;
  #over = false;

  private constructor(running: Running, files: Files, options: GuestTarOptions) {
    this.#running = running;
    this.#options = options;
    this.#writeQueue = new WriteQueue(files, (error) => this.close(error));
    running.stderr.on('error', () => undefined).resume();
    this.#watch = setInterval(() => this.#listen(), Math.min(1000, options.silence * 250));
    options.signal.addEventListener('abort', this.#onAbort);
    this.#read();
  }

  /** Starts tar; undefined if the guest refuses or takes too long. @throws the signal's reason */
  static async start(host: Pick<Host, 'start'>, files: Files, options: GuestTarOptions): Promise<GuestTar | undefined> {
    const { signal } = options;
    const starting = new AbortController();
    const give = (): void => starting.abort(signal.reason);
    const timer = setTimeout(give, Math.min(START_TIMEOUT_MS, options.silence * 1000));
    signal.addEventListener('abort', give);
    try {
      return new GuestTar(await host.start(TAR_ARGV, { signal: starting.signal }), files, options);
    } catch {
      signal.throwIfAborted();
      return undefined;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', give);
    }
  }

  /**
   * Requests a file's first `size` bytes.
   *
   * @returns bytes written; undefined if it does not arrive this way
   * @throws CiError if it broke off, or cannot be written here
   */
  take(path: string, segments: readonly string[], size: number): Promise<number | undefined> {
    if (this.#over || size === 0 || KERNEL_FILE.test(path) || this.#asked.has(path)) return Promise.resolve(undefined);
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    this.#asked.set(path, { path, segments, size, resolve });
    // Send many names in one packet.
    if (this.#names === '') setImmediate(() => this.#send());
    this.#names += `${path}\0`;
    return promise;
  }

  /** Ends the requests. */
  complete(): void {
    this.#complete = true;
    this.#heard = Date.now();
    this.#send();
    this.#running.stdin.end();
    if (this.#asked.size === 0 && this.#now === undefined) this.close();
  }

  /** Stops tar without waiting for an answer, which a guest that hangs would not give. */
  close(fault?: unknown): void {
    if (this.#over) return;
    this.#over = true;
    clearInterval(this.#watch);
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.#running.close();
    this.#letGo(fault);
  }

  #send(): void {
    if (this.#names !== '' && this.#running.stdin.writable) this.#running.stdin.write(this.#names);
    this.#names = '';
  }

  /** Reads by events: an iterator would first copy everything buffered into one buffer. */
  #read(): void {
    const { stdout } = this.#running;
    const reader = new TarReader({
      file: (name, size) => this.#begin(name, size),
      data: (chunk) => this.#data(chunk),
      end: () => this.#end(),
    });
    stdout.on('data', (chunk: Buffer) => {
      if (this.#over) return;
      this.#heard = Date.now();
      this.#waste += chunk.length;
      try {
        reader.write(chunk);
      } catch (error) {
        this.close(error);
        return;
      }
      if (this.#waste > MAX_UNWANTED_BYTES && this.#now === undefined) this.close();
      else if (this.#writeQueue.full && !this.#busy) void this.#wait();
    });
    const ended = (): void => {
      this.#running.exit.then(
        ({ code, signal }) => this.close(new Error(`its tar ended with ${signal ?? code}`)),
        (error: unknown) => this.close(error),
      );
    };
    stdout.once('end', ended).once('error', ended).once('close', ended);
  }

  /** Stops reading until the disk has caught up. */
  async #wait(): Promise<void> {
    this.#running.stdout.pause();
    this.#busy = true;
    await this.#writeQueue.room();
    this.#busy = false;
    this.#heard = Date.now();
    this.#running.stdout.resume();
  }

  #begin(name: string, size: number): void {
    const path = `/${name.replace(/^\/+/, '')}`;
    const asked = this.#asked.get(path);
    if (asked === undefined) return;
    this.#asked.delete(path);
    this.#now = { asked, incoming: this.#writeQueue.begin(asked.segments), wanted: Math.min(size, asked.size) };
  }

  #data(chunk: Buffer): void {
    if (this.#now === undefined) return;
    const piece = chunk.subarray(0, this.#now.wanted);
    this.#now.wanted -= piece.length;
    this.#waste -= piece.length;
    this.#now.incoming.write(piece);
    // What a file has grown by since the request is skipped.
    if (this.#now.wanted === 0) this.#end();
  }

  #end(): void {
    if (this.#now === undefined) return;
    const { asked, incoming } = this.#now;
    this.#now = undefined;
    asked.resolve(incoming.end());
    if (this.#complete && this.#asked.size === 0) this.close();
  }

  /** Answers all requests: a file that arrived in part is an error, the others may be fetched another way. */
  #letGo(fault: unknown): void {
    if (this.#now !== undefined) {
      const { asked, incoming } = this.#now;
      this.#now = undefined;
      const { signal } = this.#options;
      const lost = signal.aborted ? signal.reason : this.#lost(asked.path, fault);
      asked.resolve(
        incoming.end().then(() => {
          throw lost;
        }),
      );
    }
    for (const asked of this.#asked.values()) asked.resolve(undefined);
    this.#asked.clear();
  }

  #lost(path: string, fault: unknown): CiError {
    const { guest } = this.#options;
    if (!(fault instanceof CiError)) return fetchBroken(guest, path, fault);
    // A silent guest, or a full disk here, has an error of its own.
    return fault.facts.namesLogFile ? fault : fetchLost(guest, path, fault);
  }

  #listen(): void {
    const { guest, silence, onSilent } = this.#options;
    if (!this.#complete || this.#busy || (this.#asked.size === 0 && this.#now === undefined)) this.#heard = Date.now();
    else if (Date.now() - this.#heard > silence * 1000) {
      const path = this.#now?.asked.path ?? this.#asked.keys().next().value!;
      const silent = fetchSilent(guest, path, silence);
      onSilent(silent);
      this.close(silent);
    }
  }
}
