import { setTimeout as sleep } from 'node:timers/promises';
import { type CiError, toCiError } from '../../errors/ci-error.ts';
import { hostClosed } from '../../errors/ssh.ts';
import { BACKOFF, Backoff, type BackoffTimes } from '../../util/backoff.ts';
import type { Host, LinkHealth } from '../types.ts';

/** The times of a link, in milliseconds. */
export interface LinkTimes extends BackoffTimes {
  /** The wait after a fault that only a person can fix. */
  slow: number;
  /** How long a link stays up that nobody holds any more. */
  grace: number;
  /** How long a login may take. */
  timeout: number;
  /** Between two keep-alive messages. */
  keepAlive: number;
}

/** Default times of a shared link. */
export const LINK_TIMES: LinkTimes = {
  ...BACKOFF,
  slow: 60_000,
  grace: 10_000,
  timeout: 20_000,
  keepAlive: 15_000,
};

/** Keeps one connection up until it is closed: connects, reports its health, and reconnects when it is lost. */
export class SharedLink {
  readonly #label: string;
  readonly #connect: (signal: AbortSignal) => Promise<Host>;
  readonly #times: LinkTimes;
  readonly #listeners = new Set<(health: LinkHealth) => void>();
  readonly #closing = new AbortController();
  #health: LinkHealth = { state: 'connecting' };
  #host: Host | undefined;
  #hurry = new AbortController();

  /** @param connect makes one try */
  constructor(label: string, times: LinkTimes, connect: (signal: AbortSignal) => Promise<Host>) {
    this.#label = label;
    this.#times = times;
    this.#connect = connect;
    void this.#keepUp();
  }

  get health(): LinkHealth {
    return this.#health;
  }

  /** Whether it is in use. */
  get busy(): boolean {
    return this.#host?.busy ?? false;
  }

  /** Calls back at each change of health, until the returned function is called. */
  onHealth(callback: (health: LinkHealth) => void): () => void {
    this.#listeners.add(callback);
    return () => this.#listeners.delete(callback);
  }

  /** Returns the connected host, waiting for it. Rejects with the signal's reason, or if the link is closed. */
  host(signal?: AbortSignal): Promise<Host> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closing.signal.aborted) return Promise.reject(hostClosed(this.#label));
    if (this.#host !== undefined) return Promise.resolve(this.#host);
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        stopListening();
        signal?.removeEventListener('abort', onAbort);
        this.#closing.signal.removeEventListener('abort', onClose);
      };
      const onAbort = (): void => {
        settle();
        reject(signal?.reason);
      };
      const onClose = (): void => {
        settle();
        reject(hostClosed(this.#label));
      };
      const stopListening = this.onHealth(() => {
        if (this.#host === undefined) return;
        settle();
        resolve(this.#host);
      });
      signal?.addEventListener('abort', onAbort, { once: true });
      this.#closing.signal.addEventListener('abort', onClose, { once: true });
    });
  }

  /** Tries again now if it is waiting to, since something may be fixed. */
  retry(): void {
    this.#hurry.abort();
  }

  close(): void {
    this.#closing.abort();
    this.#hurry.abort();
    this.#host?.close();
    this.#listeners.clear();
  }

  async #keepUp(): Promise<void> {
    const { signal } = this.#closing;
    const backoff = new Backoff(this.#times);
    while (!signal.aborted) {
      let failure: CiError;
      let held = 0;
      try {
        const host = await this.#connect(signal);
        const upSince = performance.now();
        failure = await this.#serve(host);
        held = performance.now() - upSince;
      } catch (error) {
        failure = toCiError(error, this.#label);
      }
      if (signal.aborted) return;
      const wait = backoff.next(held);
      const pause = failure.retryable ? wait : this.#times.slow;
      this.#hurry = new AbortController();
      const since = Date.now();
      this.#tell({ state: 'down', error: failure, since, retryAt: since + pause });
      await sleep(pause, undefined, { signal: this.#hurry.signal }).catch(() => {});
      if (!signal.aborted) this.#tell({ state: 'connecting', error: failure });
    }
  }

  /** Offers the host until it is gone, and returns the reason. */
  async #serve(host: Host): Promise<CiError> {
    if (this.#closing.signal.aborted) host.close();
    if (!host.gone.aborted) {
      this.#host = host;
      this.#tell({ state: 'up' });
      await new Promise((resolve) => host.gone.addEventListener('abort', resolve, { once: true }));
      this.#host = undefined;
    }
    return toCiError(host.gone.reason, this.#label);
  }

  #tell(health: LinkHealth): void {
    this.#health = health;
    for (const callback of [...this.#listeners]) {
      try {
        callback(health);
      } catch (error) {
        // One listener's fault must not stop the link for all.
        process.emitWarning(error as Error);
      }
    }
  }
}
