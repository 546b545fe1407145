import type { Hypervisor } from '../worker/types.ts';

/**
 * Watches a guest that boots or runs something: its connection does not report a full disk, nor at once a paused guest.
 * The signal aborts with the reason why the guest cannot go on.
 */
export function watchGuest(hypervisor: Hypervisor, domain: string): { signal: AbortSignal; stop(): void } {
  const found = new AbortController();
  const stop = hypervisor.watch?.(domain, (fault) => found.abort(fault)) ?? (() => {});
  return { signal: found.signal, stop };
}
