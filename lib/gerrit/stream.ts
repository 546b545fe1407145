import type { Link } from '../ssh/link-pool.ts';
import { targetKey } from '../ssh/target-key.ts';
import type { StreamTimes } from './stream/channel.ts';
import { Stream, type StreamSubscriber } from './stream/event-stream.ts';

export type { StreamHealth, StreamSubscriber } from './stream/event-stream.ts';

/** How a subscriber is attached. */
export interface AttachOptions {
  /** Exact names of the projects whose missed events are recovered after the stream was down; `*` for all. */
  catchUp?: { projects: readonly string[] };
}

/** Milliseconds that a stream stays open without subscribers. */
const DEFAULT_GRACE_MS = 10_000;

/**
 * Gerrit's event streams, each one channel on its link's shared connection. A subscriber that detaches and attaches
 * again within the grace period (a deploy) finds its stream open and gets the events of the meantime.
 */
export class StreamPool {
  readonly #streams = new Map<string, Stream>();
  readonly #times: StreamTimes;
  readonly #grace: number;

  /**
   * All in milliseconds; by default 60 s of silence before a probe, 10 s for its answer, 0.5 s to settle, 10 s of
   * grace.
   */
  constructor(times: Partial<StreamTimes> & { grace?: number } = {}) {
    const { quiet = 60_000, probe = 10_000, settle = 500, grace = DEFAULT_GRACE_MS } = times;
    this.#times = { quiet, probe, settle };
    this.#grace = grace;
  }

  /**
   * Subscribes to a stream of the given event types, opening it if necessary.
   *
   * @param key identifies the subscriber at a later attach (a node's id): the same link target, key and types find the
   * same stream
   * @returns how to detach
   */
  attach(
    link: Link,
    key: string,
    types: readonly string[],
    subscriber: StreamSubscriber,
    { catchUp }: AttachOptions = {},
  ): () => void {
    const sorted = [...new Set(types)].sort();
    const id = JSON.stringify([targetKey(link.target), key, sorted]);
    let stream = this.#streams.get(id);
    if (stream === undefined) {
      stream = new Stream(sorted, this.#times);
      this.#streams.set(id, stream);
    }
    const found = stream;
    const leave = found.join(link, subscriber, catchUp?.projects ?? []);
    return () => {
      if (!leave()) return;
      const timer = setTimeout(() => {
        if (!found.idle || this.#streams.get(id) !== found) return;
        this.#streams.delete(id);
        found.close();
      }, this.#grace);
      timer.unref();
    };
  }

  /** Closes all streams. */
  close(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }
}
