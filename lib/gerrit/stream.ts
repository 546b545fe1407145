import type { Link } from '../ssh/link-pool.ts';
import { targetKey } from '../ssh/target-key.ts';
import type { StreamTimes } from './stream/channel.ts';
import { Stream, type StreamSubscriber } from './stream/event-stream.ts';

export type { StreamHealth, StreamSubscriber } from './stream/event-stream.ts';

export interface AttachOptions {
  /** Exact names of projects whose open changes are looked through after the stream was away; `*` for all. */
  catchUp?: { projects: readonly string[] };
}

/** Milliseconds that a stream outlives its last subscriber. */
const GRACE = 10_000;

/**
 * Gerrit's event streams, each one channel on its link's shared connection. Who goes and comes back within the grace
 * (a redeploy) finds its stream running and gets what came meanwhile.
 */
export class StreamPool {
  readonly #streams = new Map<string, Stream>();
  readonly #times: StreamTimes;
  readonly #grace: number;

  /** All in milliseconds: 60 s of silence before a probe, 10 s for its answer, half a one to settle, 10 s of grace. */
  constructor(times: Partial<StreamTimes> & { grace?: number } = {}) {
    const { quiet = 60_000, probe = 10_000, settle = 500, grace = GRACE } = times;
    this.#times = { quiet, probe, settle };
    this.#grace = grace;
  }

  /**
   * Subscribes to a stream of those event types, opened where it does not run yet. `key` names the subscriber for a
   * later attach (a node's id): the same link target, key and types find the same stream. Gives the way to detach.
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

  /** Ends all streams. */
  close(): void {
    for (const stream of this.#streams.values()) stream.close();
    this.#streams.clear();
  }
}
