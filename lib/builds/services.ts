import { createHash } from 'node:crypto';
import type { ImageBuilder } from '../images/builder.ts';
import type { MetadataLinks } from '../metadata/links.ts';
import type { MetadataService } from '../metadata/service.ts';
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
