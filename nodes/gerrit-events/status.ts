import type { Node } from 'node-red';
import type { LinkHealth } from '../../lib/ssh/types.ts';
import type { Translate } from '../shared/i18n.ts';
import type { Runtime } from '../shared/runtime.ts';

/** Counts of a gerrit-events node. */
interface Counts {
  seen: number;
  taken: number;
  /** Lines that are not events. */
  garbage: number;
  /** How many times the server dropped events. */
  dropped: number;
}

/** Minimum time between two status updates: a flood of events must not cause a flood of updates. */
const STATUS_INTERVAL_MS = 200;

/** Counts by node, kept when a node is redeployed. */
const COUNTS = { make: () => new Map<string, Counts>() };

/** Shows the status of a gerrit-events node: the state of its stream, and the counts of events. */
export class EventStatus {
  readonly #node: Node;
  readonly #t: Translate;
  readonly #counts: Counts;
  #health: LinkHealth = { state: 'connecting' };
  #replay: 'status.replaying' | 'status.replayed' | undefined;
  #timer: NodeJS.Timeout | undefined;
  #said = '';
  #closed = false;

  constructor(node: Node, key: string, runtime: Runtime) {
    this.#node = node;
    this.#t = runtime.t;
    const kept = runtime.of(COUNTS);
    this.#counts = kept.get(key) ?? { seen: 0, taken: 0, garbage: 0, dropped: 0 };
    kept.set(key, this.#counts);
    node.on('close', () => {
      this.#closed = true;
      clearTimeout(this.#timer);
    });
  }

  /** Increases a count, and updates the status soon. */
  count(what: keyof Counts, by = 1): void {
    this.#counts[what] += by;
    this.#timer ??= setTimeout(() => this.#paint(), STATUS_INTERVAL_MS).unref();
  }

  /** Shows the state of the stream. Each new fault is logged once. */
  health(health: LinkHealth): void {
    this.#health = health;
    const trouble = health.error?.message ?? '';
    if (trouble && trouble !== this.#said) this.#node.warn(trouble);
    this.#said = trouble;
    this.#paint();
  }

  /** Shows the state of a replay, which has no connection. */
  replay(state: 'status.replaying' | 'status.replayed'): void {
    this.#replay = state;
    this.#paint();
  }

  #paint(): void {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    if (this.#closed) return;
    const { type } = this.#node;
    const counts = { ...this.#counts };
    const garbage = counts.garbage ? ` ${this.#t(type, 'status.garbage', counts)}` : '';
    const extra = garbage + (counts.dropped ? ` ${this.#t(type, 'status.dropped', counts)}` : '');
    const { state, error, retryAt } = this.#health;
    if (this.#replay) {
      const fill = this.#replay === 'status.replayed' ? 'grey' : 'green';
      this.#node.status({ fill, shape: 'dot', text: this.#t(type, this.#replay, counts) + extra });
    } else if (state === 'up') {
      this.#node.status({ fill: 'green', shape: 'dot', text: this.#t(type, 'status.connected', counts) + extra });
    } else if (state === 'connecting') {
      this.#node.status({ fill: 'yellow', shape: 'ring', text: this.#t(type, 'status.connecting') });
    } else {
      const seconds = Math.max(0, Math.ceil(((retryAt ?? Date.now()) - Date.now()) / 1000));
      const words = `${this.#t(type, 'status.retry', { seconds })}: ${error?.message ?? ''}`;
      this.#node.status({ fill: 'red', shape: 'ring', text: words.slice(0, 120) });
      if (seconds > 0) this.#timer = setTimeout(() => this.#paint(), 1000).unref();
    }
  }
}
