import { CiError } from '../errors/ci-error.ts';
import type { Hypervisor } from '../worker/types.ts';

/** Milliseconds between two looks. */
const LOOK = 20_000;

/**
 * Asks the worker now and then about a guest in which something runs, whose connection tells of no full disk; the signal
 * aborts with why the guest cannot go on.
 */
export function watchGuest(hypervisor: Hypervisor, domain: string): { signal: AbortSignal; stop(): void } {
  const found = new AbortController();
  const over = new AbortController();
  const look = async () => {
    try {
      await hypervisor.check?.(domain, { signal: AbortSignal.any([over.signal, AbortSignal.timeout(LOOK)]) });
    } catch (error) {
      // A worker that cannot be asked says nothing of the guest.
      if (error instanceof CiError && /^libvirt\/guest-/.test(error.code)) found.abort(error);
    }
  };
  const timer = setInterval(() => void look(), LOOK).unref();
  return {
    signal: found.signal,
    stop() {
      clearInterval(timer);
      over.abort();
    },
  };
}
