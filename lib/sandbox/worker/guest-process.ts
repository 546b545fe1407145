import { type ChildProcess, spawn } from 'node:child_process';
import { open, readFile } from 'node:fs/promises';
import { setTimeout as delay } from 'node:timers/promises';
import { guestDied, guestNotStarted } from '../../errors/worker.ts';
import { endGuestProcesses } from '../guest-processes.ts';
import { CLEAN_EXIT, GUEST_ENTRY, type GuestConfig, type GuestUp, MARK_VARIABLE } from '../guest-protocol.ts';

/** Milliseconds that a guest has to end its processes and itself. */
const STOP_TIME = 2_000;

/** Ends what is left of a guest whose process is not ours or did not end as it should. @returns who cannot be ended */
export const endLeftovers = (mark: string): Promise<number[]> => endGuestProcesses(mark, STOP_TIME);

/** A guest that this controller started, from its first moment to its last. */
export class GuestProcess {
  readonly config: GuestConfig;
  /** Port of its SSH; rejects with a CiError where it dies before. */
  readonly port: Promise<number>;
  readonly #child: ChildProcess;
  /** How it ended, in words; undefined while it runs. */
  #end: string | undefined;
  readonly #exited: Promise<void>;

  private constructor(config: GuestConfig, child: ChildProcess, consoleFile: string) {
    this.config = config;
    this.#child = child;
    const { domain } = config;
    const { promise, resolve, reject } = Promise.withResolvers<number>();
    this.port = promise;
    promise.catch(() => {}); // for who asks later; nobody need ask
    child.once('message', (message: GuestUp) => resolve(message.port));
    this.#exited = new Promise((exited) => {
      child.once('error', (error) => {
        if (child.pid !== undefined) return; // a message that did not reach it: its exit follows
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
    // Not connected: it did not start, and 'error' follows.
    if (child.connected) child.send(config, () => {});
  }

  /** Starts the process; its console goes to the end of `consoleFile`. */
  static async start(config: GuestConfig, consoleFile: string): Promise<GuestProcess> {
    const log = await open(consoleFile, 'a', 0o600);
    try {
      const child = spawn(process.execPath, [GUEST_ENTRY], {
        cwd: '/',
        // Nothing of the controller's environment but PATH: secrets stand in environments.
        env: { PATH: process.env['PATH'], [MARK_VARIABLE]: config.mark },
        // Ctrl-C in the controller's terminal is the controller's alone.
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

  /** Switches it off and ends all its processes. @returns those that cannot be ended */
  async stop(): Promise<number[]> {
    if (this.alive) {
      this.#child.kill('SIGTERM');
      const enough = new AbortController();
      await Promise.race([this.#exited, delay(STOP_TIME, undefined, { signal: enough.signal }).catch(() => {})]);
      enough.abort();
    }
    if (this.#child.exitCode === CLEAN_EXIT) return [];
    this.#child.kill('SIGKILL');
    await this.#exited;
    return endLeftovers(this.config.mark);
  }
}
