/**
 * Sessions on one connection, if its server does not say less: OpenSSH takes 10 by default. Dropbear 2022.83 refuses the
 * commands of more than some 30 at once, and ends with a failed assertion at 100.
 */
const MAX_SESSION_COUNT = 10;

/** Milliseconds in which a server may still count a session that has ended, and the pause between two tries in them. */
const FREEING_MS = 2_000;
const FREEING_PAUSE_MS = 50;

/**
 * Milliseconds between the end of a session and the next on its place: OpenSSH frees the place at the end of its loop
 * (channel_after_poll), after it has read all that arrived together with our close.
 */
const GAP_MS = 5;

/** Milliseconds after a refusal, after which one more session than was taken then is tried. */
const RELEARN_MS = 10_000;

/** What a lane must know of its connection. */
export interface LaneConnection {
  readonly gone: AbortSignal;
  close(): void;
}

/** The sessions of one connection, and how many its server takes, learned from its refusals. */
export class Lane<C extends LaneConnection | undefined> {
  readonly connection: C;
  /** Sessions that are held at most. */
  #limit = MAX_SESSION_COUNT;
  /** Sessions that are open, and that are asked for. */
  #open = 0;
  #asked = 0;
  /** The most that were open at once. */
  #most = 0;
  #lastEnd = Number.NEGATIVE_INFINITY;
  #lastRefusal = Number.NEGATIVE_INFINITY;
  /** Until when none is asked for, by performance.now(). */
  #pausedUntil = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(connection: C) {
    this.connection = connection;
  }

  get isGone(): boolean {
    return this.connection?.gone.aborted ?? false;
  }

  /** Sessions that the server takes, if it has refused one beyond that. */
  get learned(): number | undefined {
    return this.#limit < MAX_SESSION_COUNT ? this.#limit : undefined;
  }

  get hasRoom(): boolean {
    return this.roomIn <= 0;
  }

  /** Milliseconds until one may be asked for, if none ends before; Infinity if that is not known. */
  get roomIn(): number {
    const now = performance.now();
    const busy = this.#open + this.#asked;
    if (busy < this.#limit - 1) return 0;
    const pause = this.#pausedUntil - now;
    if (busy < this.#limit) return pause;
    const mayGrow = busy === this.#limit && busy < MAX_SESSION_COUNT;
    return mayGrow ? Math.max(this.#lastRefusal + RELEARN_MS - now, pause) : Number.POSITIVE_INFINITY;
  }

  asked(): void {
    clearTimeout(this.#idle);
    // Beyond the limit only to learn whether it has grown: no second one before the answer.
    if (this.#open + this.#asked >= this.#limit) this.#lastRefusal = performance.now();
    this.#asked += 1;
  }

  opened(): void {
    this.#asked -= 1;
    this.#open += 1;
    this.#most = Math.max(this.#most, this.#open);
    if (this.#open <= this.#limit) return;
    this.#limit = this.#open;
    this.#lastRefusal = Number.NEGATIVE_INFINITY;
  }

  ended(): void {
    this.#open -= 1;
    this.#lastEnd = performance.now();
    this.#pausedUntil = Math.max(this.#pausedUntil, this.#lastEnd + GAP_MS);
  }

  refused(): void {
    this.#asked -= 1;
  }

  /**
   * Learns from a session that was refused because the server takes no more.
   *
   * @returns whether it is to wait for the others; or, if there are none, whether the server has `never` taken one, or
   * counts some that are `not ours` any more
   */
  learn(): 'wait' | 'never' | 'not ours' {
    const now = performance.now();
    const others = this.#open + this.#asked;
    this.#lastRefusal = now;
    if (now - this.#lastEnd < FREEING_MS && others < this.#most) {
      this.#limit = Math.min(this.#limit, this.#most);
      this.#pausedUntil = now + FREEING_PAUSE_MS;
      return 'wait';
    }
    this.#limit = Math.min(this.#limit, Math.max(others, 1));
    if (others > 0) {
      this.#most = Math.min(this.#most, others);
      return 'wait';
    }
    if (this.#most === 0) return 'never';
    this.#pausedUntil = now + FREEING_MS;
    return 'not ours';
  }

  /** Calls back once no session was open or asked for for so many milliseconds. */
  whenIdle(limit: number, callback: () => void): void {
    clearTimeout(this.#idle);
    if (this.#open + this.#asked === 0) this.#idle = setTimeout(callback, limit).unref();
  }
}
