import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2';
import { fetchLost, fetchSilent } from '../../errors/logs.ts';

/** No connection, connection lost: SFTP status codes (draft-ietf-secsh-filexfer-02, section 7). */
const CONNECTION = new Set([6, 7]);

export interface SessionOptions {
  guest: string;
  /** Seconds without any answer after which the guest counts as gone. */
  silence: number;
  signal: AbortSignal;
}

type Callback<T> = (error: Error | undefined | null, value: T) => void;

/**
 * The requests of an SFTP session as promises, each of which settles: with the answer; undefined where the guest
 * refuses this one (no such file, no permission); or all at once by rejection, when the session ends, gives no answer
 * for too long, or is aborted.
 */
export class SftpSession {
  readonly #sftp: SFTPWrapper;
  readonly #options: SessionOptions;
  readonly #waiting = new Set<(error: unknown) => void>();
  readonly #watch: NodeJS.Timeout;
  readonly #onClose = () => this.stop(fetchLost(this.#options.guest, this.#path, new Error('the session was closed')));
  readonly #onAbort = () => this.stop(this.#options.signal.reason);
  #answered = Date.now();
  /** What was asked for last, for the words of an error. */
  #path = 'nothing';
  #stopped: { reason: unknown } | undefined;

  constructor(sftp: SFTPWrapper, options: SessionOptions) {
    this.#sftp = sftp;
    this.#options = options;
    sftp.on('close', this.#onClose);
    sftp.on('error', this.#onClose);
    options.signal.addEventListener('abort', this.#onAbort);
    if (options.signal.aborted) this.#onAbort();
    this.#watch = setInterval(
      () => {
        if (this.#waiting.size === 0) this.#answered = Date.now();
        else if (Date.now() - this.#answered > options.silence * 1000) {
          this.stop(fetchSilent(options.guest, this.#path, options.silence));
        }
      },
      Math.min(1000, options.silence * 250),
    );
  }

  /** Rejects all that waits, and all that will be asked. */
  stop(reason: unknown): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = { reason };
    for (const reject of this.#waiting) reject(reason);
    this.#waiting.clear();
  }

  /** Lets go of the SFTP session, which stays open. */
  release(): void {
    clearInterval(this.#watch);
    this.#sftp.off('close', this.#onClose);
    // An error that comes late is nobody's; without a listener it would end the process.
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.stop(new Error('released'));
  }

  /** Of the path itself, links followed. */
  stat = (path: string): Promise<Stats | undefined> =>
    this.#ask(path, (done: Callback<Stats>) => this.#sftp.stat(path, done));

  realpath = (path: string): Promise<string | undefined> =>
    this.#ask(path, (done: Callback<string>) => this.#sftp.realpath(path, done));

  open = (path: string): Promise<Buffer | undefined> =>
    this.#ask(path, (done: Callback<Buffer>) => this.#sftp.open(path, 'r', done));

  openFolder = (path: string): Promise<Buffer | undefined> =>
    this.#ask(path, (done: Callback<Buffer>) => this.#sftp.opendir(path, done));

  /** The next names of a folder; undefined at its end. */
  list = (folder: Buffer, path: string): Promise<FileEntryWithStats[] | undefined> =>
    this.#ask(path, (done: Callback<FileEntryWithStats[]>) => this.#sftp.readdir(folder, done));

  /** Reads at most `length` bytes into the buffer's beginning; 0 at the end, undefined where it cannot be read. */
  read = (
    handle: Buffer,
    path: string,
    buffer: Buffer,
    length: number,
    position: number,
  ): Promise<number | undefined> =>
    this.#ask(path, (done: Callback<number>) => this.#sftp.read(handle, buffer, 0, length, position, done));

  /** Closes a handle; nobody waits for it. */
  close(handle: Buffer): void {
    if (this.#stopped === undefined)
      this.#ask('', (done: Callback<void>) => this.#sftp.close(handle, (e) => done(e, undefined))).catch(
        () => undefined,
      );
  }

  #ask<T>(path: string, send: (done: Callback<T>) => void): Promise<T | undefined> {
    if (this.#stopped !== undefined) return Promise.reject(this.#stopped.reason);
    if (path !== '') this.#path = path;
    return new Promise((resolve, reject) => {
      this.#waiting.add(reject);
      const done: Callback<T> = (error, value) => {
        this.#answered = Date.now();
        if (!this.#waiting.delete(reject)) return;
        if (!error) return resolve(value);
        const code = (error as Error & { code?: unknown }).code;
        // ssh2 answers all that waits with an error without a code when the session ends.
        if (typeof code !== 'number' || CONNECTION.has(code)) {
          const lost = fetchLost(this.#options.guest, path, error);
          reject(lost);
          this.stop(lost);
        } else resolve(undefined);
      };
      try {
        send(done);
      } catch (error) {
        // ssh2 throws where the session is gone already.
        done(error as Error, undefined as T);
      }
    });
  }
}
