import { CiError, factsOf } from '../errors/ci-error.ts';
import { noSessionFree, tooManyWaiting } from '../errors/ssh.ts';
import { Lane, type LaneConnection } from './session-lane.ts';

/** Milliseconds that a session may wait for its turn. */
const MAX_WAIT_MS = 60_000;

/** How many may wait at once. */
const MAX_WAITING_COUNT = 2_000;

/**
 * Milliseconds after which a further connection is made for the first in line: if no session has ended, and if some do
 * but its turn has not come. A login costs as much as some short commands.
 */
const STALLED_MS = 1_000;
const SLOW_MS = 10_000;

/** Connections to one server, the first included: with MaxSessions 1 as many sessions as OpenSSH takes by default. */
const MAX_CONNECTION_COUNT = 10;

/** Milliseconds before another further connection is tried, after one that failed. */
const CONNECT_PAUSE_MS = 5_000;

/** Milliseconds after which a further connection that nobody uses is closed. */
const IDLE_MS = 30_000;

/** How often a session is asked for again if the server refused its command, and the milliseconds before that. */
const MAX_REQUEST_RETRY_COUNT = 2;
const REQUEST_RETRY_MS = 200;

/** A session (a command, a file transfer) that a server has opened. */
export interface OpenSession<T> {
  session: T;
  /** Calls back when the session has ended, also if it had ended before. */
  onClose(closed: () => void): void;
  /** Ends it; called if nobody waits for it any more. */
  discard?(): void;
}

/** Asks a connection for a session. Rejects with `ssh/channel-refused` if the server takes no more of them. */
type Ask<C, T> = (connection: C) => Promise<OpenSession<T>>;

/** One that waits for a session. */
interface Waiting<C> {
  /** Its place in line. */
  number: number;
  since: number;
  ask: Ask<C, unknown>;
  done: boolean;
  resolve(session: unknown): void;
  reject(error: unknown): void;
  /** How often the server refused its command. */
  refusals: number;
  /** Why it waits. */
  refused?: CiError;
}

/** Where sessions are opened. */
export interface SessionOptions<C> {
  first: C;
  /** Makes a further connection to the same server; missing: there is only the first. */
  connect?(): Promise<C>;
}

/**
 * The sessions of one server. OpenSSH takes so many of them at once on a connection (MaxSessions in sshd_config(5), 10 by
 * default) and tells nobody how many. So a session that is refused while others are open or being opened waits for its
 * turn, first come, first served. If none ends for a while, a further connection is made: a long script must not keep
 * all others waiting. One at a time, since a server also limits logins that are under way (MaxStartups).
 */
export class Sessions<C extends LaneConnection | undefined = undefined> {
  readonly #connect: (() => Promise<C>) | undefined;
  /** The connections, the first one first. */
  readonly #lanes: Lane<C>[];
  /** In their order. */
  readonly #waiting: Waiting<C>[] = [];
  #count = 0;
  #connecting = false;
  /** When a session has ended, by performance.now(). */
  #lastEnd = Number.NEGATIVE_INFINITY;
  /** When a further connection may be tried again, by performance.now(). */
  #connectAfter = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed: { reason: unknown } | undefined;

  constructor(options?: SessionOptions<C>) {
    this.#connect = options?.connect;
    this.#lanes = [new Lane(options?.first as C)];
  }

  /** How many sessions the server takes on one connection; undefined as long as it has refused none. */
  get limit(): number | undefined {
    return this.#lanes.map(({ learned }) => learned).find((learned) => learned !== undefined);
  }

  /** The connections that there are now, the first one first. */
  get connections(): C[] {
    return this.#lanes.map(({ connection }) => connection);
  }

  /**
   * Opens a session, waiting while the server takes no more.
   *
   * @throws CiError if the server takes none at all, at once; if its turn did not come in a minute; the signal's reason
   */
  open<T>(ask: Ask<C, T>, signal: AbortSignal | undefined): Promise<T> {
    if (signal?.aborted) return Promise.reject(signal.reason);
    if (this.#closed) return Promise.reject(this.#closed.reason);
    if (this.#waiting.length >= MAX_WAITING_COUNT) return Promise.reject(tooManyWaiting(MAX_WAITING_COUNT));
    const { promise, resolve, reject } = Promise.withResolvers<T>();
    const settle = (): boolean => {
      if (entry.done) return false;
      entry.done = true;
      clearTimeout(late);
      signal?.removeEventListener('abort', onAbort);
      const at = this.#waiting.indexOf(entry);
      if (at >= 0) this.#waiting.splice(at, 1);
      return true;
    };
    const entry: Waiting<C> = {
      number: this.#count++,
      since: performance.now(),
      ask,
      done: false,
      refusals: 0,
      resolve: (session) => {
        if (settle()) resolve(session as T);
      },
      reject: (error) => {
        if (settle()) reject(error);
      },
    };
    const onAbort = (): void => entry.reject(signal?.reason);
    signal?.addEventListener('abort', onAbort, { once: true });
    const late = setTimeout(() => {
      // One that is being asked for gets its answer, or the end of its connection.
      if (this.#waiting.includes(entry)) entry.reject(noSessionFree(MAX_WAIT_MS, entry.refused));
    }, MAX_WAIT_MS).unref();
    this.#waiting.push(entry);
    this.#next();
    return promise;
  }

  /** Rejects all that wait, and closes the further connections. */
  close(reason: unknown): void {
    this.#closed ??= { reason };
    clearTimeout(this.#timer);
    for (const entry of [...this.#waiting]) entry.reject(reason);
    for (const { connection } of this.#lanes.splice(1)) connection?.close();
  }

  /** Gives sessions to those in line, as far as there are any. */
  #next(): void {
    clearTimeout(this.#timer);
    while (this.#waiting.length > 0) {
      const lane = this.#lanes.find((one) => one.hasRoom);
      if (lane === undefined) break;
      void this.#ask(lane, this.#waiting.shift()!);
    }
    if (this.#waiting.length === 0 || this.#closed) return;
    // Nothing may end that would call this again: so it is also called when a pause is over.
    const waits = this.#lanes.map((lane) => lane.roomIn);
    if (this.#connect && !this.#connecting && this.#lanes.length < MAX_CONNECTION_COUNT) {
      const now = performance.now();
      const { since } = this.#waiting[0]!;
      const stalled = Math.max(since, this.#lastEnd) + STALLED_MS;
      const wait = Math.max(Math.min(stalled, since + SLOW_MS), this.#connectAfter) - now;
      if (wait <= 0) void this.#makeConnection(this.#connect);
      else waits.push(wait);
    }
    const soonest = Math.min(...waits);
    if (Number.isFinite(soonest)) this.#timer = setTimeout(() => this.#next(), Math.max(soonest, 1)).unref();
  }

  async #ask(lane: Lane<C>, entry: Waiting<C>): Promise<void> {
    lane.asked();
    let opened: OpenSession<unknown>;
    try {
      opened = await entry.ask(lane.connection);
    } catch (error) {
      lane.refused();
      this.#onRefusal(lane, entry, error);
      this.#next();
      return;
    }
    lane.opened();
    opened.onClose(() => {
      lane.ended();
      this.#lastEnd = performance.now();
      this.#closeUnused(lane);
      this.#next();
    });
    if (entry.done) opened.discard?.();
    else entry.resolve(opened.session);
    this.#next();
  }

  #onRefusal(lane: Lane<C>, entry: Waiting<C>, error: unknown): void {
    if (entry.done) return;
    const { sshRefusal } = factsOf(error);
    if (sshRefusal === 'request' && entry.refusals < MAX_REQUEST_RETRY_COUNT) {
      // A server that cannot fork at this moment answers as one that never will (RFC 4254, 6.5): nothing was begun.
      entry.refusals += 1;
      setTimeout(() => this.#again(entry), REQUEST_RETRY_MS);
      return;
    }
    const isFirst = lane === this.#lanes[0];
    if (!(error instanceof CiError) || sshRefusal !== 'session') {
      // A further connection that was lost: another may serve.
      if (isFirst || !lane.isGone || this.#closed) entry.reject(error);
      else this.#again(entry);
      return;
    }
    entry.refused = error;
    const verdict = lane.learn();
    if (verdict === 'wait') this.#again(entry);
    else if (!isFirst) {
      // It takes no session at all, and the first one took some.
      this.#connectAfter = performance.now() + CONNECT_PAUSE_MS;
      this.#drop(lane);
      this.#again(entry);
    } else if (verdict === 'never') {
      for (const one of [entry, ...this.#waiting]) one.reject(error);
    } else if (this.#connect) {
      // Commands that were let go of may run on there for ever.
      entry.since = Number.NEGATIVE_INFINITY;
      this.#again(entry);
    } else entry.reject(error);
  }

  /** Puts one back to its place in line. */
  #again(entry: Waiting<C>): void {
    if (entry.done) return;
    if (this.#closed) {
      entry.reject(this.#closed.reason);
      return;
    }
    const at = this.#waiting.findIndex(({ number }) => number > entry.number);
    this.#waiting.splice(at < 0 ? this.#waiting.length : at, 0, entry);
    this.#next();
  }

  async #makeConnection(connect: () => Promise<C>): Promise<void> {
    this.#connecting = true;
    try {
      const connection = await connect();
      const lane = new Lane(connection);
      if (this.#closed) connection?.close();
      else {
        this.#lanes.push(lane);
        connection?.gone.addEventListener('abort', () => this.#drop(lane), { once: true });
        this.#closeUnused(lane);
      }
    } catch {
      // The sessions of the first one end some time, and whoever waits too long is told.
      this.#connectAfter = performance.now() + CONNECT_PAUSE_MS;
    } finally {
      this.#connecting = false;
    }
    this.#next();
  }

  /** Closes a further connection that nobody has used for a while. */
  #closeUnused(lane: Lane<C>): void {
    if (lane === this.#lanes[0]) return;
    lane.whenIdle(IDLE_MS, () => this.#drop(lane));
  }

  #drop(lane: Lane<C>): void {
    const at = this.#lanes.indexOf(lane);
    if (at > 0) this.#lanes.splice(at, 1);
    lane.connection?.close();
  }
}
