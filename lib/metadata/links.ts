import type { ListenAt, MetadataLink, Worker } from '../worker/types.ts';
import type { MetadataService } from './service.ts';

const OPEN_TIMEOUT_MS = 30_000;

interface SharedLink {
  link: Promise<MetadataLink>;
  users: number;
}

/**
 * The links from workers' guests to the metadata server: one per worker and listening address, opened for its first
 * build and closed with its last.
 */
export class MetadataLinks {
  readonly #metadata: MetadataService;
  /** By worker object, since a changed worker-host makes another with links of its own; then by where it listens. */
  readonly #open = new WeakMap<Worker, Map<string, SharedLink>>();

  constructor(metadata: MetadataService) {
    this.#metadata = metadata;
  }

  /**
   * Opens a link, or shares the open one.
   *
   * @param listenAt an address and port of this machine; the worker's own route if missing
   */
  async acquire(
    worker: Worker,
    signal: AbortSignal,
    listenAt?: ListenAt,
  ): Promise<{ link: MetadataLink; release(): Promise<void> }> {
    const open = this.#open.get(worker) ?? new Map<string, SharedLink>();
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
