/** How waits between tries grow; all times in milliseconds. */
export interface BackoffTimes {
  /** The first wait. */
  first: number;
  /** Each wait is longer by this factor … */
  factor: number;
  /** … up to this one. */
  longest: number;
  /** A try that held for so long makes the next wait the first again. */
  goodService: number;
}

/** As Gerrit's and OpenSSH's own clients do it: quick at first, a minute at most. */
export const BACKOFF: BackoffTimes = { first: 500, factor: 1.5, longest: 60_000, goodService: 120_000 };

/** Waits between tries, each longer than the one before, with jitter; short again after good service. */
export class Backoff {
  readonly #times: BackoffTimes;
  #wait: number;

  constructor(times: Partial<BackoffTimes> = {}) {
    this.#times = { ...BACKOFF, ...times };
    this.#wait = this.#times.first;
  }

  /** Milliseconds to wait now, after a try that held for so long. */
  next(held: number): number {
    const { first, factor, longest, goodService } = this.#times;
    if (held >= goodService) this.#wait = first;
    const wait = Math.min(this.#wait, longest);
    this.#wait = Math.min(this.#wait * factor, longest);
    // A fifth more or less: many clients of a restarted server must not come back as one.
    return wait * (0.8 + Math.random() * 0.4);
  }
}
