import type { CallOptions, Owner, Worker } from '../worker/types.ts';

/** Timeout per item when cleaning up after a crash. */
const ITEM_TIMEOUT_MS = 120_000;

/**
 * Cleans up after a crash on a worker: removes this controller's domains and clones whose owner is not alive, and its
 * metadata routes. What another Recheck created is left alone. A domain that cannot be stopped only keeps its own clone.
 *
 * @param controller id of this Recheck (`controllerOf`)
 * @throws the first error, after everything else was tried; the caller tries again
 */
export async function reap(worker: Worker, controller: string, isAlive: (owner: Owner) => boolean): Promise<void> {
  const faults: unknown[] = [];
  const attempt = async (work: (options: CallOptions) => Promise<unknown> | undefined): Promise<boolean> => {
    try {
      await work({ signal: AbortSignal.timeout(ITEM_TIMEOUT_MS) });
      return true;
    } catch (error) {
      faults.push(error);
      return false;
    }
  };
  const isLeftover = (owner: Owner): boolean => owner.controller === controller && !isAlive(owner);
  const notStopped = new Set<string>();
  const listed = new Set<string>();
  const known = await attempt(async (limit) => {
    for (const { domain, owner } of await worker.hypervisor.list(limit)) {
      if (!isLeftover(owner)) continue;
      listed.add(domain);
      if (!(await attempt((own) => worker.hypervisor.stop(domain, own)))) notStopped.add(domain);
    }
  });
  // A domain has the name of its clone. If the domains cannot be listed, any clone may be in use.
  if (known)
    await attempt(async (limit) => {
      for (const { name, owner } of await worker.storage.list(limit)) {
        if (!isLeftover(owner) || notStopped.has(name)) continue;
        await attempt(async (own) => {
          // A guest that powered off is not listed, but may have left other things on the worker.
          if (!listed.has(name)) await worker.hypervisor.stop(name, own);
          await worker.storage.remove(name, own);
        });
      }
    });
  // Even if a domain could not be stopped: nothing listens at the end of its route any more.
  await attempt((limit) => worker.sweepMetadata?.(limit));
  if (faults.length > 0) throw faults[0];
}
