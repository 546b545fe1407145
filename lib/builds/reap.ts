import type { CallOptions, Owner, Worker } from '../worker/types.ts';

/** Milliseconds that one thing may take which is cleared up after a crash. */
const LIMIT = 120_000;

/**
 * Ends what a crash left on a worker: every domain and clone of this controller whose owner is not alive, and ways to
 * the metadata. What another Recheck has there is its own affair. What cannot be ended keeps nothing else but its clone.
 *
 * @throws the first fault, once all else is done: so that it is tried again
 */
export async function reap(worker: Worker, controller: string, alive: (owner: Owner) => boolean): Promise<void> {
  const faults: unknown[] = [];
  const attempt = async (work: (options: CallOptions) => Promise<unknown> | undefined): Promise<boolean> => {
    try {
      await work({ signal: AbortSignal.timeout(LIMIT) });
      return true;
    } catch (error) {
      faults.push(error);
      return false;
    }
  };
  const isLeft = (owner: Owner): boolean => owner.controller === controller && !alive(owner);
  const stayed = new Set<string>();
  const ended = new Set<string>();
  const known = await attempt(async (limit) => {
    for (const { domain, owner } of await worker.hypervisor.list(limit)) {
      if (!isLeft(owner)) continue;
      ended.add(domain);
      if (!(await attempt((own) => worker.hypervisor.stop(domain, own)))) stayed.add(domain);
    }
  });
  // A domain has the name of its clone. Where nobody can tell which domains there are, each clone may be in use.
  if (known)
    await attempt(async (limit) => {
      for (const { name, owner } of await worker.storage.list(limit)) {
        if (!isLeft(owner) || stayed.has(name)) continue;
        await attempt(async (own) => {
          // A guest that powered off by itself may have left things on the worker too.
          if (!ended.has(name)) await worker.hypervisor.stop(name, own);
          await worker.storage.remove(name, own);
        });
      }
    });
  // Also where a domain stayed: rules that lead to where nobody listens help no guest.
  await attempt((limit) => worker.sweepMetadata?.(limit));
  if (faults.length > 0) throw faults[0];
}
