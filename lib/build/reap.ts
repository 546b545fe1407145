import type { Owner, Worker } from '../worker/types.ts';

/** Milliseconds that clearing up after a crash may take. */
const LIMIT = 120_000;

/** Ends what a crash left on a worker: every domain and clone whose owner is not alive, and ways to the metadata. */
export async function reap(worker: Worker, alive: (owner: Owner) => boolean): Promise<void> {
  const limit = { signal: AbortSignal.timeout(LIMIT) };
  for (const { domain, owner } of await worker.hypervisor.list(limit))
    if (!alive(owner)) await worker.hypervisor.stop(domain, limit);
  for (const { name, owner } of await worker.storage.list(limit))
    if (!alive(owner)) await worker.storage.remove(name, limit);
  await worker.sweepMetadata?.(limit);
}
