import type { Hypervisor } from '../worker/types.ts';

/**
 * Watches a guest in which something runs, or which boots: its connection tells of no full disk, and not at once that it
 * stands still. The signal aborts with the reason why it cannot go on.
 */
export function watchGuest(hypervisor: Hypervisor, domain: string): { signal: AbortSignal; stop(): void } {
  const found = new AbortController();
  const stop = hypervisor.watch?.(domain, (fault) => found.abort(fault)) ?? (() => {});
  return { signal: found.signal, stop };
}
