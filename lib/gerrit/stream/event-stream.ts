import { setTimeout as sleep } from 'node:timers/promises';
import type { CiError } from '../../errors/ci-error.ts';
import type { Link } from '../../ssh/link-pool.ts';
import type { Host, LinkHealth } from '../../ssh/types.ts';
import { Backoff } from '../../util/backoff.ts';
import type { GerritEvent } from '../types.ts';
import { CatchUp } from './catch-up.ts';
import { readStream, type StreamTimes } from './channel.ts';
import { isChangeRefUpdate, parseEvent } from './parse.ts';

/** State of a stream: `up` only while its channel is open. */
export type StreamHealth = LinkHealth;

/** A subscriber of a stream. If one of its functions throws, onGarbage is told and the stream continues. */
export interface StreamSubscriber {
  onEvent(event: GerritEvent): void;
  /** A line was not an event; called with its beginning. */
  onGarbage?(line: string): void;
  onHealth?(health: StreamHealth): void;
  /** The server dropped events because its queue of 128 was full. Those that can be recovered will be. */
  onDropped?(): void;
}

/** Events kept for a subscriber that is away; beyond that the oldest are dropped. */
const MAX_KEPT_EVENT_COUNT = 1_000;
/** Characters of a bad line that are passed on. */
const MAX_SHOWN_CHARS = 200;
/** Milliseconds before the next attempt if the account may not stream: an administrator must act first. */
const REFUSED_DELAY_MS = 60_000;
/** Attempts of one catch-up, and milliseconds between them, multiplied by the attempt. */
const MAX_CATCH_UP_ATTEMPT_COUNT = 5;
const CATCH_UP_DELAY_MS = 5_000;

/** One event stream of one server, read as long as it has subscribers. */
export class Stream {
  readonly #types: readonly string[];
  readonly #times: StreamTimes;
  readonly #end = new AbortController();
  readonly #subscribers = new Map<StreamSubscriber, { projects: readonly string[]; stopHealth: () => void }>();
  readonly #catchUp = new CatchUp();
  #link: Link | undefined;
  /** Aborts waiting for a link that was replaced. */
  #relink = new AbortController();
  #kept: GerritEvent[] = [];
  #health: StreamHealth = { state: 'connecting' };
  /** Whether a channel was open before, so that the next one may have missed events. */
  #ranBefore = false;
  #catchingUp = false;
  /** Subscribers waiting to catch up. */
  #wanted: { host: Host; signal: AbortSignal } | undefined;

  constructor(types: readonly string[], times: StreamTimes) {
    this.#types = types;
    this.#times = times;
  }

  /** Whether it has no subscribers. */
  get idle(): boolean {
    return this.#subscribers.size === 0;
  }

  /**
   * Adds a subscriber, passes it the kept events, and starts reading.
   *
   * @returns how to leave, which says whether it was the last
   */
  join(link: Link, subscriber: StreamSubscriber, projects: readonly string[]): () => boolean {
    const first = this.#link === undefined;
    if (this.#link !== link) {
      this.#link = link;
      this.#relink.abort();
      this.#relink = new AbortController();
    }
    // Why the link is down (key refused, unreachable) is what explains a stream that is down.
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

  /** Keeps reopening the channel until closed. */
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
        // The link reports its own faults; if it was replaced or released, use the new one.
        if (relink.aborted) continue;
      }
      if (end.aborted) return;
      const wait = error?.facts.isPermissionDenied ? REFUSED_DELAY_MS : backoff.next(Date.now() - began);
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

  /** Recovers missed events: one query at a time, with a few attempts while the channel is open. */
  async #fetchMissed(host: Host, signal: AbortSignal): Promise<void> {
    this.#wanted = { host, signal };
    if (this.#catchingUp) return;
    this.#catchingUp = true;
    try {
      // Subscribers that ask meanwhile get another round.
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
    for (let tries = 1; tries <= MAX_CATCH_UP_ATTEMPT_COUNT && !signal.aborted; tries++) {
      const projects = [...new Set([...this.#subscribers.values()].flatMap((entry) => entry.projects))];
      try {
        const events = await this.#catchUp.missed(host, { projects, types: this.#types, signal });
        for (const event of events) this.#dispatch(event);
        return;
      } catch {
        await sleep(CATCH_UP_DELAY_MS * tries, undefined, { signal, ref: false }).catch(() => {});
      }
    }
  }

  #dispatch(event: GerritEvent): void {
    if (this.idle) {
      this.#kept.push(event);
      if (this.#kept.length > MAX_KEPT_EVENT_COUNT) this.#kept.shift();
      return;
    }
    for (const subscriber of this.#subscribers.keys()) this.#guard(subscriber, () => subscriber.onEvent(event));
  }

  #garbage(line: string): void {
    const shown = line.slice(0, MAX_SHOWN_CHARS);
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

  /** Calls a subscriber; its fault must not cost the others their events. */
  #guard(subscriber: StreamSubscriber, call: () => void): void {
    try {
      call();
    } catch (error) {
      try {
        subscriber.onGarbage?.(`(a subscriber failed: ${error instanceof Error ? error.message : String(error)})`);
      } catch {
        // Not even onGarbage works; the others continue.
      }
    }
  }
}
