import { Semaphore } from '../../util/semaphore.ts';

/** Milliseconds before each try; the last for as long as it takes. */
const PAUSES = [5_000, 30_000, 300_000];

/** How many are kept: each holds what it takes to remove it. */
export const MOST = 500;

/** Tries at once: a worker that is back has other work too. */
const AT_ONCE = 4;

/** Gives whether all is gone now. */
type Remove = () => Promise<boolean>;

interface Leftover {
  remove: Remove;
  timer?: NodeJS.Timeout;
  /** The try that runs. */
  running?: Promise<void>;
}

/** What could not be removed from workers: tried again until it is gone, or the controller stops. */
export class CleanupQueue {
  readonly #kept = new Map<string, Leftover>();
  readonly #turnstile = new Semaphore(AT_ONCE);
  #closed = false;

  /**
   * Keeps something to be removed; what has the same key goes in its favour.
   *
   * @returns false where too many are kept, or it is closed: then nobody tries
   */
  keep(key: string, remove: Remove): boolean {
    const former = this.#kept.get(key);
    if (this.#closed || (!former && this.#kept.size >= MOST)) return false;
    clearTimeout(former?.timer);
    const leftover = { remove };
    this.#kept.set(key, leftover);
    this.#later(key, leftover, 0);
    return true;
  }

  /** Leaves it to the caller, who removes it. Resolves when no try of it runs. Fine where there is none. */
  async drop(key: string): Promise<void> {
    const leftover = this.#kept.get(key);
    this.#kept.delete(key);
    clearTimeout(leftover?.timer);
    await leftover?.running;
  }

  /** Nothing is tried any more. */
  close(): void {
    this.#closed = true;
    for (const { timer } of this.#kept.values()) clearTimeout(timer);
    this.#kept.clear();
  }

  #later(key: string, leftover: Leftover, tries: number): void {
    const pause = PAUSES[Math.min(tries, PAUSES.length - 1)]!;
    const turn = async () => {
      leftover.running = this.#try(key, leftover, tries);
      await leftover.running;
    };
    leftover.timer = setTimeout(() => void this.#turnstile.pass(turn), pause).unref();
  }

  async #try(key: string, leftover: Leftover, tries: number): Promise<void> {
    const isKept = () => this.#kept.get(key) === leftover;
    if (!isKept()) return;
    const gone = await leftover.remove().catch(() => false);
    if (!isKept()) return;
    if (gone) this.#kept.delete(key);
    else this.#later(key, leftover, tries + 1);
  }
}
