import type { FileEntryWithStats, SFTPWrapper, Stats } from 'ssh2';
import { fetchLost, fetchSilent } from '../../errors/logs.ts';

/** SFTP status codes for no connection and a lost connection (draft-ietf-secsh-filexfer-02, section 7). */
const CONNECTION = new Set([6, 7]);

/** Settings of an SFTP session. */
export interface SftpOptions {
  guest: string;
  /** Seconds without an answer after which the guest is considered lost. */
  silence: number;
  signal: AbortSignal;
}

type Callback<T> = (error: Error | undefined | null, value: T) => void;

/**
 * The requests of an SFTP session as promises. Each resolves to the answer, or to undefined if the guest refuses it (no
 * such file, no permission); all reject when the session ends, is silent for too long, or is aborted.
 */
export class SftpSession {
  readonly #sftp: SFTPWrapper;
  readonly #options: SftpOptions;
  readonly #waiting = new Set<(error: unknown) => void>();
  readonly #watch: NodeJS.Timeout;
  readonly #onClose = () => this.stop(fetchLost(this.#options.guest, this.#path, new Error('the session was closed')));
  readonly #onAbort = () => this.stop(this.#options.signal.reason);
  #answered = Date.now();
  /** The path of the last request, for error messages. */
  #path = 'nothing';
  #stopped: { reason: unknown } | undefined;

  constructor(sftp: SFTPWrapper, options: SftpOptions) {
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

  /** Rejects all pending and all future requests. */
  stop(reason: unknown): void {
    if (this.#stopped !== undefined) return;
    this.#stopped = { reason };
    for (const reject of this.#waiting) reject(reason);
    this.#waiting.clear();
  }

  /** Stops watching the SFTP session, which stays open. */
  release(): void {
    clearInterval(this.#watch);
    this.#sftp.off('close', this.#onClose);
    // The error listener stays: without one, a late error would end the process.
    this.#options.signal.removeEventListener('abort', this.#onAbort);
    this.stop(new Error('released'));
  }

  /** Returns a path's attributes, following links. */
  stat = (path: string): Promise<Stats | undefined> =>
    this.#ask(path, (done: Callback<Stats>) => this.#sftp.stat(path, done));

  realpath = (path: string): Promise<string | undefined> =>
    this.#ask(path, (done: Callback<string>) => this.#sftp.realpath(path, done));

  open = (path: string): Promise<Buffer | undefined> =>
    this.#ask(path, (done: Callback<Buffer>) => this.#sftp.open(path, 'r', done));

  openFolder = (path: string): Promise<Buffer | undefined> =>
    this.#ask(path, (done: Callback<Buffer>) => this.#sftp.opendir(path, done));

  /** Returns the next entries of a folder; undefined at its end. */
  list = (folder: Buffer, path: string): Promise<FileEntryWithStats[] | undefined> =>
    this.#ask(path, (done: Callback<FileEntryWithStats[]>) => this.#sftp.readdir(folder, done));

  /** Reads at most `length` bytes into the start of the buffer; 0 at the file's end, undefined if it cannot be read. */
  read = (
    handle: Buffer,
    path: string,
    buffer: Buffer,
    length: number,
    position: number,
  ): Promise<number | undefined> =>
    this.#ask(path, (done: Callback<number>) => this.#sftp.read(handle, buffer, 0, length, position, done));

  /** Closes a handle without waiting for the answer. */
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
        // When the session ends, ssh2 answers all pending requests with an error without a code.
        if (typeof code !== 'number' || CONNECTION.has(code)) {
          const lost = fetchLost(this.#options.guest, path, error);
          reject(lost);
          this.stop(lost);
        } else resolve(undefined);
      };
      try {
        send(done);
      } catch (error) {
        // ssh2 throws if the session has ended.
        done(error as Error, undefined as T);
      }
    });
  }
}
