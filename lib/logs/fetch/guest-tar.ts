import { CiError } from '../../errors/ci-error.ts';
import { fetchBroken, fetchLost, fetchSilent } from '../../errors/logs.ts';
import type { Host, Running } from '../../ssh/types.ts';
import type { Files } from './files.ts';
import { TarReader } from './tar-reader.ts';
import { type Incoming, WriteQueue } from './write-queue.ts';

/**
 * The names come on stdin, and xargs gives them to tar, as many at a time as an argument list holds: not every busybox
 * has a tar that reads them itself, and none ends them with NUL. The guest's shell gets these words and no other.
 */
const ARGV = ['xargs', '-0', 'tar', '-c', '-f', '-', '--'];

/** The kernel's files have another size than they say. */
const KERNEL = /^\/(proc|sys)\//;

/** Milliseconds that the guest has to start it. */
const START = 10_000;
/** Bytes that nobody asked for, after which it is not heard any more: headers, and what files have grown by. */
const WASTE = 64 << 20;

export interface GuestTarOptions {
  guest: string;
  /** Seconds without any answer after which the guest counts as gone. */
  silence: number;
  signal: AbortSignal;
  /** Told when the guest counts as gone. */
  onSilent(error: Error): void;
}

/** A file that was asked for, and not answered yet. */
interface Asked {
  path: string;
  segments: readonly string[];
  size: number;
  resolve(bytes: number | undefined | Promise<number>): void;
}

/**
 * A guest's tar, which is given names and sends files: one stream of many, with no answer waited for between them. It is
 * the quick way and no more: it may be missing, say no, or say anything, and what it does not bring is for who asked.
 */
export class GuestTar {
  readonly #running: Running;
  readonly #options: GuestTarOptions;
  readonly #writeQueue: WriteQueue;
  readonly #asked = new Map<string, Asked>();
  readonly #watch: NodeJS.Timeout;
  readonly #onAbort = () => this.close();
  #names = '';
  /** The file whose bytes come now. */
  #now: { asked: Asked; incoming: Incoming; wanted: number } | undefined;
  #heard = Date.now();
  /** Whether all names were given. */
  #complete = false;
  /** Whether our own disk is waited for. */
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

  /** Starts it; undefined where the guest refuses, or takes too long. Rejects with the signal's reason. */
  static async start(host: Pick<Host, 'start'>, files: Files, options: GuestTarOptions): Promise<GuestTar | undefined> {
    const { signal } = options;
    const starting = new AbortController();
    const give = (): void => starting.abort(signal.reason);
    const timer = setTimeout(give, Math.min(START, options.silence * 1000));
    signal.addEventListener('abort', give);
    try {
      return new GuestTar(await host.start(ARGV, { signal: starting.signal }), files, options);
    } catch {
      signal.throwIfAborted();
      return undefined;
    } finally {
      clearTimeout(timer);
      signal.removeEventListener('abort', give);
    }
  }

  /**
   * Asks for a file's first `size` bytes.
   *
   * @returns bytes written; undefined where it does not come this way. Rejects with a CiError where it began to come and
   * broke off, or cannot be written here.
   */
  take(path: string, segments: readonly string[], size: number): Promise<number | undefined> {
    if (this.#over || size === 0 || KERNEL.test(path) || this.#asked.has(path)) return Promise.resolve(undefined);
    const { promise, resolve } = Promise.withResolvers<number | undefined>();
    this.#asked.set(path, { path, segments, size, resolve });
    // Many names in one packet.
    if (this.#names === '') setImmediate(() => this.#send());
    this.#names += `${path}\0`;
    return promise;
  }

  /** Says that no more will be asked for. */
  complete(): void {
    this.#complete = true;
    this.#heard = Date.now();
    this.#send();
    this.#running.stdin.end();
    if (this.#asked.size === 0 && this.#now === undefined) this.close();
  }

  /** Ends it, whatever it does: a guest that hangs answers that as little, so nobody waits for it. */
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

  /** By events: an iterator would copy all that waits into one buffer first. */
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
      if (this.#waste > WASTE && this.#now === undefined) this.close();
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

  /** Reads nothing more before the disk has taken what is on its way. */
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
    // What a file has grown by since it was asked for is passed over.
    if (this.#now.wanted === 0) this.#end();
  }

  #end(): void {
    if (this.#now === undefined) return;
    const { asked, incoming } = this.#now;
    this.#now = undefined;
    asked.resolve(incoming.end());
    if (this.#complete && this.#asked.size === 0) this.close();
  }

  /** What did not come may come another way; what came in part is lost. */
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
    // A silent guest, or a disk that is full here, says it all itself.
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
