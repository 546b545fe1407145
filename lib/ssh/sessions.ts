import { setTimeout as sleep } from 'node:timers/promises';
import { CiError } from '../errors/ci-error.ts';

/** Milliseconds that a session may wait for another to end. */
const LIMIT = 60_000;

/** Milliseconds in which a server frees the place of a session that has ended, and between two tries in them. */
const FREEING = 2_000;
const PAUSE = 50;

/** How often a session is asked for again whose command the server refused, and milliseconds before that. */
const AGAIN = 2;
const REFUSED_PAUSE = 200;

/**
 * The sessions (commands, file transfers) of one connection. A server takes so many of them at once, OpenSSH's
 * MaxSessions is 10 by default, and tells nobody how many: one that it refuses while others are open is asked for again
 * when one of these ends.
 */
export class Sessions {
  #open = 0;
  #lastEnd = Number.NEGATIVE_INFINITY;
  readonly #waiting: (() => void)[] = [];

  /** Opens a session, waiting where the server takes no more. `onClose` calls back when it has ended. */
  async open<T>(
    ask: () => Promise<{ session: T; onClose(closed: () => void): void }>,
    signal: AbortSignal | undefined,
  ): Promise<T> {
    const end = performance.now() + LIMIT;
    let refused = 0;
    for (;;) {
      try {
        const { session, onClose } = await ask();
        this.#open += 1;
        onClose(() => {
          this.#open -= 1;
          this.#lastEnd = performance.now();
          this.#waiting.shift()?.();
        });
        return session;
      } catch (error) {
        // A server that cannot fork at this moment answers as one that never will (RFC 4254, 6.5): nothing was begun.
        if (error instanceof CiError && error.code === 'ssh/request-refused' && refused < AGAIN) {
          refused += 1;
          await pause(REFUSED_PAUSE, signal);
          continue;
        }
        const full = error instanceof CiError && error.code === 'ssh/channel-refused';
        const freeing = performance.now() - this.#lastEnd < FREEING;
        if (!full || !(freeing || this.#open > 0) || performance.now() > end) {
          // The turn that it may have had is another's.
          this.#waiting.shift()?.();
          throw error;
        }
        if (freeing) await pause(PAUSE, signal);
        else await this.#turn(end - performance.now(), signal);
      }
    }
  }

  /** Waits until a session has ended, or the time is over. @throws the signal's reason */
  async #turn(limit: number, signal: AbortSignal | undefined): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    this.#waiting.push(resolve);
    const over = new AbortController();
    const either = signal ? AbortSignal.any([signal, over.signal]) : over.signal;
    const late = sleep(Math.max(limit, 0), undefined, { signal: either, ref: false }).catch(() => undefined);
    await Promise.race([promise, late]);
    over.abort();
    const at = this.#waiting.indexOf(resolve);
    if (at >= 0) this.#waiting.splice(at, 1);
    // One that leaves hands its turn on.
    else if (signal?.aborted) this.#waiting.shift()?.();
    signal?.throwIfAborted();
  }
}

/** @throws the signal's reason */
async function pause(milliseconds: number, signal: AbortSignal | undefined): Promise<void> {
  await sleep(milliseconds, undefined, signal ? { signal } : {}).catch(() => signal?.throwIfAborted());
}
