/**
 * The patch's own time: it runs from the job's first script on, but not while a step of the infrastructure runs, which
 * has a limit of its own.
 */
export class JobClock {
  readonly #onTimeUp: () => void;
  #left: number;
  #startedAt: number | undefined;
  #timer: NodeJS.Timeout | undefined;
  #pauses = 0;
  #on = false;
  isUp = false;

  /** @param limit milliseconds */
  constructor(limit: number, onTimeUp: () => void) {
    this.#left = limit;
    this.#onTimeUp = onTimeUp;
  }

  /** Starts it with the first script; again is fine. */
  start(): void {
    this.#on = true;
    if (this.#pauses > 0 || this.#timer || this.isUp) return;
    this.#startedAt = Date.now();
    // A timer takes no more than 31 bits of milliseconds.
    this.#timer = setTimeout(() => this.#tick(), Math.min(this.#left, 2 ** 31 - 1)).unref();
  }

  /** Stops it while a step of the infrastructure runs; pauses add up. */
  pause(): void {
    this.#pauses += 1;
    this.#halt();
  }

  resume(): void {
    this.#pauses -= 1;
    if (this.#on) this.start();
  }

  /** Stops it for good. */
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
    this.isUp = true;
    this.#onTimeUp();
  }
}
