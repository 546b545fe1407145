import type { Owner, Worker } from '../worker/types.ts';

/** Milliseconds that clearing up after a crash may take. */
const LIMIT = 120_000;

/**
 * Ends what a crash left on a worker: every domain and clone of this controller whose owner is not alive, and ways to
 * the metadata. What another Recheck has there is its own affair.
 */
export async function reap(worker: Worker, controller: string, alive: (owner: Owner) => boolean): Promise<void> {
  const limit = { signal: AbortSignal.timeout(LIMIT) };
  const isLeft = (owner: Owner): boolean => owner.controller === controller && !alive(owner);
  for (const { domain, owner } of await worker.hypervisor.list(limit))
    if (isLeft(owner)) await worker.hypervisor.stop(domain, limit);
  for (const { name, owner } of await worker.storage.list(limit))
    if (isLeft(owner)) await worker.storage.remove(name, limit);
  await worker.sweepMetadata?.(limit);
}
