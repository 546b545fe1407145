/**
 * Sessions on one connection, unless its server accepts fewer: OpenSSH accepts 10 by default. Dropbear 2022.83 refuses the
 * commands of more than about 30 at once, and dies of a failed assertion at 100.
 */
const MAX_SESSION_COUNT = 10;

/** Milliseconds for which a server may still count an ended session, and the pause between two tries meanwhile. */
const FREEING_MS = 2_000;
const FREEING_PAUSE_MS = 50;

/**
 * Milliseconds between the end of a session and the next in its place: OpenSSH frees the place at the end of its loop
 * (channel_after_poll), after it has read everything that arrived together with our close.
 */
const GAP_MS = 5;

/** Milliseconds after a refusal until one more session is tried than was accepted then. */
const RELEARN_MS = 10_000;

/** What a counter needs to know about its connection. */
export interface CountedConnection {
  readonly gone: AbortSignal;
  close(): void;
}

/** Counts the sessions of one connection, and learns from refusals how many its server accepts. */
export class SessionCounter<C extends CountedConnection | undefined> {
  readonly connection: C;
  /** Sessions that are open at once at most. */
  #limit = MAX_SESSION_COUNT;
  /** Sessions that are open, and that were asked for. */
  #open = 0;
  #asked = 0;
  /** The most that were open at once. */
  #maxOpen = 0;
  #lastEnd = Number.NEGATIVE_INFINITY;
  #lastRefusal = Number.NEGATIVE_INFINITY;
  /** Until when no session is asked for, by performance.now(). */
  #pausedUntil = 0;
  #idle: NodeJS.Timeout | undefined;

  constructor(connection: C) {
    this.connection = connection;
  }

  get isGone(): boolean {
    return this.connection?.gone.aborted ?? false;
  }

  /** Sessions that the server accepts, if it has refused one more. */
  get learned(): number | undefined {
    return this.#limit < MAX_SESSION_COUNT ? this.#limit : undefined;
  }

  get hasRoom(): boolean {
    return this.roomIn <= 0;
  }

  /** Milliseconds until a session may be asked for, if none ends before; Infinity if unknown. */
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
    // Beyond the limit only to learn whether it has grown: no second request before the answer.
    if (this.#open + this.#asked >= this.#limit) this.#lastRefusal = performance.now();
    this.#asked += 1;
  }

  opened(): void {
    this.#asked -= 1;
    this.#open += 1;
    this.#maxOpen = Math.max(this.#maxOpen, this.#open);
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
   * Learns from a session that was refused because the server accepts no more.
   *
   * @returns `wait` for others to end; or, if there are no others, `never` if the server has never accepted one, or `not
   * ours` if it counts sessions that we no longer have
   */
  learn(): 'wait' | 'never' | 'not ours' {
    const now = performance.now();
    const others = this.#open + this.#asked;
    this.#lastRefusal = now;
    if (now - this.#lastEnd < FREEING_MS && others < this.#maxOpen) {
      this.#limit = Math.min(this.#limit, this.#maxOpen);
      this.#pausedUntil = now + FREEING_PAUSE_MS;
      return 'wait';
    }
    this.#limit = Math.min(this.#limit, Math.max(others, 1));
    if (others > 0) {
      this.#maxOpen = Math.min(this.#maxOpen, others);
      return 'wait';
    }
    if (this.#maxOpen === 0) return 'never';
    this.#pausedUntil = now + FREEING_MS;
    return 'not ours';
  }

  /** Calls back once no session has been open or asked for in so many milliseconds. */
  whenIdle(idleMs: number, callback: () => void): void {
    clearTimeout(this.#idle);
    if (this.#open + this.#asked === 0) this.#idle = setTimeout(callback, idleMs).unref();
  }
}
