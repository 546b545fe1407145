import { CiError } from '../errors/ci-error.ts';
import type { Guest } from '../guests/guest.ts';
import type { Build } from './build.ts';

/** Limit for checking the guests of a build on their worker. */
const CHECK_TIMEOUT_MS = 20_000;

const bootedGuests = ({ resources }: Build): Guest[] => [...resources.guests.values()].filter(({ booted }) => booted);

/**
 * Returns whether a fault of a guest is the worker's. A test may power a guest off, so a guest that is gone only matters
 * to what runs in it; but nothing inside a guest can stop its processor or its disk.
 */
const isOfWorker = (fault: unknown, isOwn: boolean): fault is CiError =>
  fault instanceof CiError && (fault.facts.guestEnd === 'stopped' || (isOwn && fault.facts.guestEnd === 'gone'));

/**
 * Watches all guests of a build while something runs in one of them. A full disk does not show on the SSH connection, and
 * a paused guest shows only late. The signal aborts with the fault (a `CiError`).
 *
 * @param own the guest that it runs in
 */
export function watchGuests(build: Build, own: Guest): { signal: AbortSignal; stop(): void } {
  const found = new AbortController();
  const stops = bootedGuests(build).map((guest) =>
    guest.worker.hypervisor.watch?.(guest.domain, (fault) => {
      if (!isOfWorker(fault, guest === own)) return;
      guest.fault = fault;
      found.abort(fault);
    }),
  );
  return {
    signal: found.signal,
    stop() {
      for (const stop of stops) stop?.();
    },
  };
}

/**
 * Returns the fault of a worker, such as a full or broken disk, that explains a failure in a build; `undefined` if there
 * is none. A worker that cannot be reached is skipped.
 *
 * @param own the guest in which the failure occurred, if it was in a guest
 */
export async function workerFault(build: Build, own?: Guest): Promise<CiError | undefined> {
  const signal = AbortSignal.timeout(CHECK_TIMEOUT_MS);
  const faults = await Promise.all(
    bootedGuests(build).map(async (guest) => {
      try {
        await guest.worker.hypervisor.check?.(guest.domain, { signal });
        return undefined;
      } catch (error) {
        return isOfWorker(error, guest === own) ? error : undefined;
      }
    }),
  );
  return faults.find((fault) => fault !== undefined);
}
