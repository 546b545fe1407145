import { CiError, factsOf } from '../../errors/ci-error.ts';
import { noSessionFree, tooManyWaiting } from '../../errors/ssh.ts';
import { type CountedConnection, SessionCounter } from './session-counter.ts';

/** Milliseconds that a caller may wait for a session. */
const MAX_WAIT_MS = 60_000;

/** Callers that may wait for a session at once. */
const MAX_WAITING_COUNT = 2_000;

/**
 * Milliseconds after which a further connection is made for the first in line: if no session has ended (STALLED), and if
 * some have but its turn has not come (SLOW). A login costs as much as several short commands.
 */
const STALLED_MS = 1_000;
const SLOW_MS = 10_000;

/** Connections to one server, the first included: with MaxSessions 1 as many sessions as OpenSSH takes by default. */
const MAX_CONNECTION_COUNT = 10;

/** Milliseconds before another further connection is tried, after one that failed. */
const CONNECT_PAUSE_MS = 5_000;

/** Milliseconds after which a further connection that nobody uses is closed. */
const IDLE_MS = 30_000;

/** Retries of a session whose command the server refused, and the milliseconds before each. */
const MAX_REQUEST_RETRY_COUNT = 2;
const REQUEST_RETRY_MS = 200;

/** A session (a command, a file transfer) that a server has opened. */
export interface OpenSession<T> {
  session: T;
  /** Calls back when the session has ended, even if it has already. */
  onClose(closed: () => void): void;
  /** Ends it. Called if nobody waits for it any more. */
  discard?(): void;
}

/** Asks a connection for a session. Rejects with `ssh/channel-refused` if the server accepts no more. */
type Ask<C, T> = (connection: C) => Promise<OpenSession<T>>;

/** A caller that waits for a session. */
interface Waiting<C> {
  /** Its place in line. */
  number: number;
  since: number;
  ask: Ask<C, unknown>;
  done: boolean;
  resolve(session: unknown): void;
  reject(error: unknown): void;
  /** How often the server has refused its command. */
  refusals: number;
  /** Why it waits. */
  refused?: CiError;
}

/** Where sessions are opened. */
export interface SessionOptions<C> {
  first: C;
  /** Makes a further connection to the same server. If missing, there is only the first. */
  connect?(): Promise<C>;
}

/**
 * Opens sessions on one server. OpenSSH limits how many a connection may have at once (MaxSessions in sshd_config(5), 10 by
 * default) but does not tell its clients. So a session that is refused while others are open or being opened waits for its
 * turn, first come, first served. If none ends for a while, a further connection is made, so that a long script does not
 * block all others. One at a time, since a server also limits pending logins (MaxStartups).
 */
export class Sessions<C extends CountedConnection | undefined = undefined> {
  readonly #connect: (() => Promise<C>) | undefined;
  /** One for each connection, the first one first. */
  readonly #counters: SessionCounter<C>[];
  /** In order. */
  readonly #waiting: Waiting<C>[] = [];
  #count = 0;
  #connecting = false;
  /** When a session last ended, by performance.now(). */
  #lastEnd = Number.NEGATIVE_INFINITY;
  /** When a further connection may be tried again, by performance.now(). */
  #connectAfter = 0;
  #timer: NodeJS.Timeout | undefined;
  #closed: { reason: unknown } | undefined;

  constructor(options?: SessionOptions<C>) {
    this.#connect = options?.connect;
    this.#counters = [new SessionCounter(options?.first as C)];
  }

  /** How many sessions the server accepts on one connection; undefined as long as it has refused none. */
  get limit(): number | undefined {
    return this.#counters.map(({ learned }) => learned).find((learned) => learned !== undefined);
  }

  /** The current connections, the first one first. */
  get connections(): C[] {
    return this.#counters.map(({ connection }) => connection);
  }

  /**
   * Opens a session, waiting while the server accepts no more.
   *
   * @throws CiError at once if the server accepts none at all; after a minute without a turn; the signal's reason
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
      // One that was already asked for gets an answer, or the end of its connection.
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
    for (const { connection } of this.#counters.splice(1)) connection?.close();
  }

  /** Asks for sessions for those in line, as many as are available. */
  #next(): void {
    clearTimeout(this.#timer);
    while (this.#waiting.length > 0) {
      const counter = this.#counters.find((one) => one.hasRoom);
      if (counter === undefined) break;
      void this.#ask(counter, this.#waiting.shift()!);
    }
    if (this.#waiting.length === 0 || this.#closed) return;
    // It may be that no session ends and calls this again, so it is also called when a pause is over.
    const waits = this.#counters.map((counter) => counter.roomIn);
    if (this.#connect && !this.#connecting && this.#counters.length < MAX_CONNECTION_COUNT) {
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

  async #ask(counter: SessionCounter<C>, entry: Waiting<C>): Promise<void> {
    counter.asked();
    let opened: OpenSession<unknown>;
    try {
      opened = await entry.ask(counter.connection);
    } catch (error) {
      counter.refused();
      this.#onRefusal(counter, entry, error);
      this.#next();
      return;
    }
    counter.opened();
    opened.onClose(() => {
      counter.ended();
      this.#lastEnd = performance.now();
      this.#closeUnused(counter);
      this.#next();
    });
    if (entry.done) opened.discard?.();
    else entry.resolve(opened.session);
    this.#next();
  }

  #onRefusal(counter: SessionCounter<C>, entry: Waiting<C>, error: unknown): void {
    if (entry.done) return;
    const { sshRefusal } = factsOf(error);
    if (sshRefusal === 'request' && entry.refusals < MAX_REQUEST_RETRY_COUNT) {
      // A server that cannot fork at the moment answers like one that never will (RFC 4254, 6.5). Nothing was started.
      entry.refusals += 1;
      setTimeout(() => this.#again(entry), REQUEST_RETRY_MS);
      return;
    }
    const isFirst = counter === this.#counters[0];
    if (!(error instanceof CiError) || sshRefusal !== 'session') {
      // A further connection was lost: another may serve.
      if (isFirst || !counter.isGone || this.#closed) entry.reject(error);
      else this.#again(entry);
      return;
    }
    entry.refused = error;
    const verdict = counter.learn();
    if (verdict === 'wait') this.#again(entry);
    else if (!isFirst) {
      // It accepts no session at all, but the first one did.
      this.#connectAfter = performance.now() + CONNECT_PAUSE_MS;
      this.#drop(counter);
      this.#again(entry);
    } else if (verdict === 'never') {
      for (const one of [entry, ...this.#waiting]) one.reject(error);
    } else if (this.#connect) {
      // Commands whose callers gave up may run on there forever.
      entry.since = Number.NEGATIVE_INFINITY;
      this.#again(entry);
    } else entry.reject(error);
  }

  /** Puts a caller back in its place in line. */
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
      const counter = new SessionCounter(connection);
      if (this.#closed) connection?.close();
      else {
        this.#counters.push(counter);
        connection?.gone.addEventListener('abort', () => this.#drop(counter), { once: true });
        this.#closeUnused(counter);
      }
    } catch {
      // Sessions of the first one will end, and callers that wait too long are told.
      this.#connectAfter = performance.now() + CONNECT_PAUSE_MS;
    } finally {
      this.#connecting = false;
    }
    this.#next();
  }

  /** Closes a further connection that nobody has used for a while. */
  #closeUnused(counter: SessionCounter<C>): void {
    if (counter === this.#counters[0]) return;
    counter.whenIdle(IDLE_MS, () => this.#drop(counter));
  }

  #drop(counter: SessionCounter<C>): void {
    const at = this.#counters.indexOf(counter);
    if (at > 0) this.#counters.splice(at, 1);
    counter.connection?.close();
  }
}
