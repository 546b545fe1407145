import { createHash } from 'node:crypto';
import type { ImageBuilder } from '../images/builder.ts';
import type { MetadataService } from '../metadata/service.ts';
import type { ListenAt, MetadataLink, Worker } from '../worker/types.ts';
import type { CleanupQueue } from './cleanup/queue.ts';
import type { Scheduler } from './scheduler.ts';

/** What the steps share in one process. */
export interface Services {
  scheduler: Scheduler;
  metadata: MetadataService;
  links: MetadataLinks;
  images: ImageBuilder;
  /** What could not be removed from workers. */
  cleanupQueue: CleanupQueue;
  /** The controller's own key pair, let into every guest. */
  key: { privateKey: string; publicKey: string };
  /** Whose what it makes on a worker is: `controllerOf` its key. */
  controller: string;
  /** Milliseconds for finding out what became of a guest that was lost under a script; two minutes where missing. */
  patience?: number;
}

/**
 * Id of the Recheck that has this key (a public-key line, with or without a comment): twelve hex digits, the same after
 * each restart. Everything that it makes on a worker carries it, so that another one there leaves that alone.
 */
export const controllerOf = (publicKey: string): string =>
  createHash('sha256').update(publicKey.split(' ')[1]!).digest('hex').slice(0, 12);

interface Shared {
  link: Promise<MetadataLink>;
  users: number;
}

/**
 * The ways from workers' guests to the metadata server: one a worker and kind of way, opened for its first build, closed
 * with its last.
 */
export class MetadataLinks {
  readonly #metadata: MetadataService;
  /** By the worker itself: a changed worker-host is another, with ways of its own. Then by where it listens. */
  readonly #open = new WeakMap<Worker, Map<string, Shared>>();

  constructor(metadata: MetadataService) {
    this.#metadata = metadata;
  }

  /** @param listenAt a port of this machine in place of the worker's own way; who asks for the same way shares it */
  async acquire(
    worker: Worker,
    signal: AbortSignal,
    listenAt?: ListenAt,
  ): Promise<{ link: MetadataLink; release(): Promise<void> }> {
    const open = this.#open.get(worker) ?? new Map<string, Shared>();
    this.#open.set(worker, open);
    const key = JSON.stringify([listenAt?.address, listenAt?.port]);
    let shared = open.get(key);
    if (!shared) {
      // Not the asking build's signal: others may wait for the same link.
      const link = worker.linkMetadata(this.#metadata.serverFor(worker), {
        signal: AbortSignal.timeout(30_000),
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
