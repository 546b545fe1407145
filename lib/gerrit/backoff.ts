/** Waits between tries: 0.5 s to 60 s, 1.5 times as long each time, with jitter; short again after good service. */
export class Backoff {
  #wait = 500;
  readonly #slowest: number;
  readonly #goodService: number;

  /** Both in milliseconds: the longest wait, and how long a try must have held for the next wait to be short again. */
  constructor(slowest = 60_000, goodService = 120_000) {
    this.#slowest = slowest;
    this.#goodService = goodService;
  }

  /** Milliseconds to wait now, after a try that held for so long. */
  next(held: number): number {
    if (held >= this.#goodService) this.#wait = 500;
    const wait = Math.min(this.#wait, this.#slowest);
    this.#wait = Math.min(this.#wait * 1.5, this.#slowest);
    // A server that comes back is not to be met by all its clients at one moment.
    return wait * (0.75 + Math.random() * 0.5);
  }
}
