/** How the delay between attempts grows; all times in milliseconds. */
export interface BackoffTimes {
  /** The first delay. */
  first: number;
  /** Each delay is longer by this factor … */
  factor: number;
  /** … up to this one. */
  longest: number;
  /** A connection that held this long resets the delay to the first one. */
  goodService: number;
}

/** Quick at first, a minute at most. */
export const BACKOFF: BackoffTimes = { first: 500, factor: 1.5, longest: 60_000, goodService: 120_000 };

/** Delays between attempts, each longer than the one before, with jitter; reset after good service. */
export class Backoff {
  readonly #times: BackoffTimes;
  #wait: number;

  constructor(times: Partial<BackoffTimes> = {}) {
    this.#times = { ...BACKOFF, ...times };
    this.#wait = this.#times.first;
  }

  /** Returns the milliseconds to wait before the next attempt. @param held milliseconds that the last one held */
  next(held: number): number {
    const { first, factor, longest, goodService } = this.#times;
    if (held >= goodService) this.#wait = first;
    const wait = Math.min(this.#wait, longest);
    this.#wait = Math.min(this.#wait * factor, longest);
    // A fifth more or less, so that the clients of a restarted server do not all return at once.
    return wait * (0.8 + Math.random() * 0.4);
  }
}
