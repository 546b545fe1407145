import { Semaphore } from '../../util/semaphore.ts';

/** Delays before each try; the last one repeats. */
const RETRY_DELAYS_MS = [5_000, 30_000, 300_000];

/** Leftovers that are queued at most, to bound memory. */
export const MAX_LEFTOVERS_COUNT = 500;

/** Removals at once, so that a worker that has just come back is not flooded. */
const MAX_CONCURRENT_REMOVAL_COUNT = 4;

/** Tries to remove a leftover. @returns whether it is gone */
type Remove = () => Promise<boolean>;

interface Leftover {
  remove: Remove;
  timer?: NodeJS.Timeout;
  /** The try in progress. */
  running?: Promise<void>;
}

/** Queue of what could not be removed from workers: retried until it is gone or the controller stops. */
export class CleanupQueue {
  readonly #leftovers = new Map<string, Leftover>();
  readonly #semaphore = new Semaphore(MAX_CONCURRENT_REMOVAL_COUNT);
  #closed = false;

  /**
   * Queues a removal; it replaces an earlier one with the same key.
   *
   * @returns false if the queue is full or closed: then it will not be tried
   */
  keep(key: string, remove: Remove): boolean {
    const former = this.#leftovers.get(key);
    if (this.#closed || (!former && this.#leftovers.size >= MAX_LEFTOVERS_COUNT)) return false;
    clearTimeout(former?.timer);
    const leftover = { remove };
    this.#leftovers.set(key, leftover);
    this.#schedule(key, leftover, 0);
    return true;
  }

  /** Takes a removal out of the queue, for the caller to do. Resolves when no try of it is in progress; idempotent. */
  async drop(key: string): Promise<void> {
    const leftover = this.#leftovers.get(key);
    this.#leftovers.delete(key);
    clearTimeout(leftover?.timer);
    await leftover?.running;
  }

  /** Drops all removals and accepts no more. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#leftovers.values()) clearTimeout(timer);
    this.#leftovers.clear();
  }

  #schedule(key: string, leftover: Leftover, tries: number): void {
    const delayMs = RETRY_DELAYS_MS[Math.min(tries, RETRY_DELAYS_MS.length - 1)]!;
    const turn = async () => {
      leftover.running = this.#try(key, leftover, tries);
      await leftover.running;
    };
    leftover.timer = setTimeout(() => void this.#semaphore.pass(turn), delayMs).unref();
  }

  async #try(key: string, leftover: Leftover, tries: number): Promise<void> {
    const isKept = () => this.#leftovers.get(key) === leftover;
    if (!isKept()) return;
    const gone = await leftover.remove().catch(() => false);
    if (!isKept()) return;
    if (gone) this.#leftovers.delete(key);
    else this.#schedule(key, leftover, tries + 1);
  }
}
