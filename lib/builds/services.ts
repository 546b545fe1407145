import { createHash } from 'node:crypto';
import type { ImageBuilder } from '../images/builder.ts';
import type { MetadataLinks } from '../metadata/links.ts';
import type { MetadataService } from '../metadata/service.ts';
import type { CleanupQueue } from './cleanup/queue.ts';
import type { Scheduler } from './scheduler.ts';

/** Services that all builds of this process share. */
export interface Services {
  scheduler: Scheduler;
  metadata: MetadataService;
  links: MetadataLinks;
  images: ImageBuilder;
  /** Retries what could not be removed from workers. */
  cleanupQueue: CleanupQueue;
  /** The controller's key pair; every guest accepts logins with it. */
  key: { privateKey: string; publicKey: string };
  /** Id that marks what this controller creates on workers: `controllerOf` its public key. */
  controller: string;
  /** Milliseconds to reconnect to a guest whose connection was lost while a script ran; two minutes if missing. */
  reconnectTimeoutMs?: number;
}

/**
 * Returns the id of the Recheck that has this key: twelve hexadecimal digits, the same after each restart. Everything
 * that it creates on a worker is marked with the id, so that other Rechecks do not remove it.
 *
 * @param publicKey a public-key line, with or without a comment
 */
export const controllerOf = (publicKey: string): string =>
  createHash('sha256').update(publicKey.split(' ')[1]!).digest('hex').slice(0, 12);
