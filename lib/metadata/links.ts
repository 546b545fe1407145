import type { ListenAt, MetadataLink, Worker } from '../worker/types.ts';
import type { MetadataService } from './service.ts';

/** Limit for opening a metadata link. */
const OPEN_TIMEOUT_MS = 30_000;

/** A metadata link, and the number of builds that use it. */
interface CountedLink {
  link: Promise<MetadataLink>;
  users: number;
}

/**
 * Links from guests to the metadata server. Builds share one link per worker and listening address: the first build opens
 * it, the last one closes it.
 */
export class MetadataLinks {
  readonly #metadata: MetadataService;
  /** By worker object, since a changed worker-host node has a new worker with new links; then by listening address. */
  readonly #open = new WeakMap<Worker, Map<string, CountedLink>>();

  constructor(metadata: MetadataService) {
    this.#metadata = metadata;
  }

  /**
   * Returns the open link, or opens it; `release` closes it after its last user.
   *
   * @param listenAt an address and port of this machine; if missing, the worker's SSH connection is used
   * @throws CiError if the link cannot be opened; the signal's reason if it aborts
   */
  async acquire(
    worker: Worker,
    signal: AbortSignal,
    listenAt?: ListenAt,
  ): Promise<{ link: MetadataLink; release(): Promise<void> }> {
    const open = this.#open.get(worker) ?? new Map<string, CountedLink>();
    this.#open.set(worker, open);
    const key = JSON.stringify([listenAt?.address, listenAt?.port]);
    let shared = open.get(key);
    if (!shared) {
      // Not the build's signal: others may wait for the same link.
      const link = worker.linkMetadata(this.#metadata.serverFor(worker), {
        signal: AbortSignal.timeout(OPEN_TIMEOUT_MS),
        ...(listenAt ? { listenAt } : {}),
      });
      shared = { link, users: 0 };
      open.set(key, shared);
    }
    shared.users += 1;
    const mine = shared;
    const release = async () => {
      mine.users -= 1;
      if (mine.users > 0) return;
      if (open.get(key) === mine) open.delete(key);
      await (await mine.link).close();
    };
    try {
      const link = await mine.link;
      signal.throwIfAborted();
      return { link, release };
    } catch (error) {
      await release().catch(() => undefined);
      throw error;
    }
  }
}
