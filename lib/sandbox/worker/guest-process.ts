import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { guestDied, guestNotStarted } from '../../errors/worker.ts';
import { endGuestProcesses } from '../guest-processes.ts';
import { CLEAN_EXIT_CODE, GUEST_ENTRY, type GuestConfig, type GuestUp, MARK_VARIABLE } from '../guest-protocol.ts';

/** Milliseconds for a guest to end its processes and itself. */
const STOP_TIMEOUT_MS = 2_000;

/** Ends the processes of a guest that did not end them itself. @returns those that cannot be ended */
export const endLeftovers = (mark: string): Promise<number[]> => endGuestProcesses(mark, STOP_TIMEOUT_MS);

/** The process of a guest that this controller started. */
export class GuestProcess {
  readonly config: GuestConfig;
  /** Port of its SSH server; rejects with a CiError if it dies before. */
  readonly port: Promise<number>;
  readonly #child: ChildProcess;
  /** How it ended; undefined while it is running. */
  #end: string | undefined;
  readonly #exited: Promise<void>;

  private constructor(config: GuestConfig, child: ChildProcess, consoleFile: string) {
    this.config = config;
    this.#child = child;
    const { domain } = config;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.port = promise;
    promise.catch(() => {}); // whoever awaits it later still gets the error
    child.once('message', (message: GuestUp) => resolve(message.port));
    this.#exited = new Promise((exited) => {
      child.once('error', (error) => {
        if (child.pid !== undefined) return; // a message was not delivered: its exit follows
        this.#end = 'did not start';
        reject(guestNotStarted(domain, error));
        exited();
      });
      child.once('exit', async (code, signal) => {
        this.#end = signal === null ? `ended with exit code ${code}` : `was ended by ${signal}`;
        exited();
        reject(guestDied(domain, this.#end, await readFile(consoleFile, 'utf8').catch(() => '')));
      });
    });
    // If it is not connected it did not start, and 'error' follows.
    if (child.connected) child.send(config, () => {});
  }

  /** Starts the process; its console is appended to `consoleFile`. */
  static async start(config: GuestConfig, consoleFile: string): Promise<GuestProcess> {
    const log = await open(consoleFile, 'a', 0o600);
    try {
      const child = spawn(process.execPath, [GUEST_ENTRY], {
        cwd: '/',
        // Only PATH of the controller's environment, which may contain secrets.
        env: { PATH: process.env['PATH'], [MARK_VARIABLE]: config.mark },
        // Ctrl-C in the controller's terminal is only for the controller.
        detached: true,
        stdio: ['ignore', log.fd, log.fd, 'ipc'],
      });
      return new GuestProcess(config, child, consoleFile);
    } finally {
      await log.close();
    }
  }

  get alive(): boolean {
    return this.#end === undefined;
  }

  /** Stops it and all its processes. @returns those that cannot be ended */
  async stop(): Promise<number[]> {
    if (this.alive) {
      this.#child.kill('SIGTERM');
      const enough = new AbortController();
      await Promise.race([this.#exited, delay(STOP_TIMEOUT_MS, undefined, { signal: enough.signal }).catch(() => {})]);
      enough.abort();
    }
    if (this.#child.exitCode === CLEAN_EXIT_CODE) return [];
    this.#child.kill('SIGKILL');
    await this.#exited;
    return endLeftovers(this.config.mark);
  }
}
