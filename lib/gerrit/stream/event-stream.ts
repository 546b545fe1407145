import { setTimeout as sleep } from 'node:timers/promises';
import type { CiError } from '../../errors/ci-error.ts';
import type { Link } from '../../ssh/link-pool.ts';
import type { Host, LinkHealth } from '../../ssh/types.ts';
import { Backoff } from '../../util/backoff.ts';
import type { GerritEvent } from '../types.ts';
import { CatchUp } from './catch-up.ts';
import { readStream, type StreamTimes } from './channel.ts';
import { isChangeRefUpdate, parseEvent } from './parse.ts';

/** How a stream is doing: `up` only while its channel runs. */
export type StreamHealth = LinkHealth;

/** Who listens to a stream. A call that throws is told to onGarbage and ends nothing. */
export interface StreamSubscriber {
  onEvent(event: GerritEvent): void;
  /** A line was no event; the line's start is given. */
  onGarbage?(line: string): void;
  onHealth?(health: StreamHealth): void;
  /** The server dropped events of ours (its queue of 128 was full). What can be got back is. */
  onDropped?(): void;
}

/** Events kept for a subscriber that is away; the oldest are dropped beyond. */
const MAX_KEPT = 1_000;
/** Characters of a bad line that are handed on. */
const MAX_SHOWN = 200;
/** Milliseconds before the next try where the account may not stream: an administrator must act first. */
const REFUSED_WAIT = 60_000;
/** Tries of one catching up, and milliseconds between them, one more each time. */
const CATCH_UP_TRIES = 5;
const CATCH_UP_WAIT = 5_000;

/** One event stream of one server, read for as long as somebody wants it. */
export class Stream {
  readonly #types: readonly string[];
  readonly #times: StreamTimes;
  readonly #end = new AbortController();
  readonly #subscribers = new Map<StreamSubscriber, { projects: readonly string[]; stopHealth: () => void }>();
  readonly #catchUp = new CatchUp();
  #link: Link | undefined;
  /** Aborts the wait for a link that was replaced. */
  #relink = new AbortController();
  #kept: GerritEvent[] = [];
  #health: StreamHealth = { state: 'connecting' };
  /** Whether a channel has run before, so that the next one may have missed something. */
  #ranBefore = false;
  #catchingUp = false;
  /** Who wants to catch up, and is not served yet. */
  #wanted: { host: Host; signal: AbortSignal } | undefined;

  constructor(types: readonly string[], times: StreamTimes) {
    this.#types = types;
    this.#times = times;
  }

  /** Whether nobody listens. */
  get idle(): boolean {
    return this.#subscribers.size === 0;
  }

  /** Adds a listener, hands it what was kept, and starts reading. Gives the way out, which says whether it was the last. */
  join(link: Link, subscriber: StreamSubscriber, projects: readonly string[]): () => boolean {
    const first = this.#link === undefined;
    if (this.#link !== link) {
      this.#link = link;
      this.#relink.abort();
      this.#relink = new AbortController();
    }
    // The link's own trouble (key refused, unreachable) is what a down stream's user wants to read.
    const stopHealth = link.onHealth(() => this.#tellHealth(subscriber));
    this.#subscribers.set(subscriber, { projects, stopHealth });
    const kept = this.#kept;
    this.#kept = [];
    this.#tellHealth(subscriber);
    for (const event of kept) this.#dispatch(event);
    if (first) void this.#read();
    return () => {
      const entry = this.#subscribers.get(subscriber);
      if (entry === undefined) return false;
      entry.stopHealth();
      this.#subscribers.delete(subscriber);
      return this.idle;
    };
  }

  close(): void {
    for (const { stopHealth } of this.#subscribers.values()) stopHealth();
    this.#subscribers.clear();
    this.#end.abort();
  }

  /** Opens the channel again and again until closed. */
  async #read(): Promise<void> {
    const backoff = new Backoff();
    const end = this.#end.signal;
    while (!end.aborted) {
      const began = Date.now();
      let error: CiError | undefined;
      const relink = this.#relink.signal;
      try {
        const host = await this.#link!.host(AbortSignal.any([end, relink]));
        error = await this.#readOnce(host);
      } catch {
        // The link tells its own trouble; one that was replaced or released is left for the new one.
        if (relink.aborted) continue;
      }
      if (end.aborted) return;
      const wait = error?.facts.isPermissionDenied ? REFUSED_WAIT : backoff.next(Date.now() - began);
      this.#setHealth({ state: 'down', error, retryAt: Date.now() + wait });
      await sleep(wait, undefined, { signal: AbortSignal.any([end, this.#relink.signal]), ref: false }).catch(() => {});
      if (!end.aborted) this.#setHealth({ state: 'connecting' });
    }
  }

  #readOnce(host: Host): Promise<CiError> {
    const channel = new AbortController();
    const signal = AbortSignal.any([this.#end.signal, host.gone, channel.signal]);
    return readStream(host, {
      user: this.#link!.target.user,
      types: this.#types,
      times: this.#times,
      signal: this.#end.signal,
      onLine: (line) => this.#line(line, host, signal),
      onOverlong: () => this.#garbage('(a line of more than 1 MiB)'),
      onOpen: () => {
        this.#setHealth({ state: 'up' });
        if (this.#ranBefore) void this.#fetchMissed(host, signal);
        this.#ranBefore = true;
      },
      onAlive: () => this.#catchUp.alive(),
    }).finally(() => {
      channel.abort();
      this.#catchUp.lost();
    });
  }

  #line(line: string, host: Host, signal: AbortSignal): void {
    if (isChangeRefUpdate(line)) return;
    const event = parseEvent(line);
    if (event === undefined) {
      this.#garbage(line);
      return;
    }
    if (event.type === 'dropped-output') {
      for (const subscriber of this.#subscribers.keys()) this.#guard(subscriber, () => subscriber.onDropped?.());
      this.#catchUp.lost();
      void this.#fetchMissed(host, signal);
      return;
    }
    if (this.#catchUp.note(event)) this.#dispatch(event);
  }

  /** Gets back what was missed: one query at a time, a few tries while the channel lives. */
  async #fetchMissed(host: Host, signal: AbortSignal): Promise<void> {
    this.#wanted = { host, signal };
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    try {
      // Who asks meanwhile is served by another round.
      while (this.#wanted !== undefined) {
        const wanted = this.#wanted;
        this.#wanted = undefined;
        await this.#tryMissed(wanted);
      }
    } finally {
      this.#catchingUp = false;
    }
  }

  async #tryMissed({ host, signal }: { host: Host; signal: AbortSignal }): Promise<void> {
    for (let tries = 1; tries <= CATCH_UP_TRIES && !signal.aborted; tries++) {
      const projects = [...new Set([...this.#subscribers.values()].flatMap((entry) => entry.projects))];
      try {
        const events = await this.#catchUp.missed(host, { projects, types: this.#types, signal });
        for (const event of events) this.#dispatch(event);
        return;
      } catch {
        await sleep(CATCH_UP_WAIT * tries, undefined, { signal, ref: false }).catch(() => {});
      }
    }
  }

  #dispatch(event: GerritEvent): void {
    if (this.idle) {
      this.#kept.push(event);
      if (this.#kept.length > MAX_KEPT) this.#kept.shift();
      return;
    }
    for (const subscriber of this.#subscribers.keys()) this.#guard(subscriber, () => subscriber.onEvent(event));
  }

  #garbage(line: string): void {
    const shown = line.slice(0, MAX_SHOWN);
    for (const subscriber of this.#subscribers.keys()) this.#guard(subscriber, () => subscriber.onGarbage?.(shown));
  }

  #setHealth(health: StreamHealth): void {
    this.#health = health;
    for (const subscriber of this.#subscribers.keys()) this.#tellHealth(subscriber);
  }

  #tellHealth(subscriber: StreamSubscriber): void {
    const link = this.#link!.health;
    const health = link.state === 'up' ? this.#health : link;
    this.#guard(subscriber, () => subscriber.onHealth?.(health));
  }

  /** One subscriber's fault must not cost the others their events. */
  #guard(subscriber: StreamSubscriber, call: () => void): void {
    try {
      call();
    } catch (error) {
      try {
        subscriber.onGarbage?.(`(a subscriber failed: ${error instanceof Error ? error.message : String(error)})`);
      } catch {
        // It cannot even be told; the others go on.
      }
    }
  }
}
