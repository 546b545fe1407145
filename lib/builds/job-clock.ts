/**
 * Measures a job's time limit: from its first test step on, but not while an infrastructure step runs, which has a limit
 * of its own.
 */
export class JobClock {
  readonly #onExpired: () => void;
  #left: number;
  #startedAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pauses = 0;
  #on = false;
  isExpired = false;

  /** @param limit the job's time limit in milliseconds */
  constructor(limit: number, onExpired: () => void) {
    this.#left = limit;
    this.#onExpired = onExpired;
  }

  /** Starts the clock; idempotent. */
  start(): void {
    this.#on = true;
    if (this.#pauses > 0 || this.#timer || this.isExpired) return;
    this.#startedAt = Date.now();
    // setTimeout takes at most 2 ** 31 - 1 ms.
    this.#timer = setTimeout(() => this.#tick(), Math.min(this.#left, 2 ** 31 - 1)).unref();
  }

  /** Stops the clock until `resume` has been called as often as `pause`. */
  pause(): void {
    this.#pauses += 1;
    this.#halt();
  }

  /** Undoes one `pause`. */
  resume(): void {
    this.#pauses -= 1;
    if (this.#on) this.start();
  }

  /** Stops the clock for good. */
  stop(): void {
    this.#on = false;
    this.#halt();
  }

  #halt(): void {
    if (!this.#timer) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#left -= Date.now() - this.#startedAt!;
  }

  #tick(): void {
    this.#halt();
    if (this.#left > 0) {
      this.start();
      return;
    }
    this.isExpired = true;
    this.#onExpired();
  }
}
