import { CiError } from '../errors/ci-error.ts';
import type { Guest } from '../guests/guest.ts';
import type { Build } from './build.ts';

/** Milliseconds that a worker has to say whether its guests are sound. */
const CHECK_LIMIT_MS = 20_000;

const bootedGuests = ({ resources }: Build): Guest[] => [...resources.guests.values()].filter(({ booted }) => booted);

/**
 * Whether a fault of a guest ends what runs in another one: its test may power a guest off, but nothing in a guest stops
 * the processor or the disk of one.
 */
const isOfWorker = (fault: unknown, isOwn: boolean): fault is CiError =>
  fault instanceof CiError && (fault.facts.guestEnd === 'stopped' || (isOwn && fault.facts.guestEnd === 'gone'));

/**
 * Watches all guests of a build while something runs in one of them: a connection tells nothing of a full disk, and not
 * at once of a guest that stands still. The signal aborts with the reason why it cannot go on.
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
 * Finds out whether what failed in a build was its workers' doing: a disk may be full or broken. A worker that cannot be
 * asked says nothing.
 *
 * @param own the guest in which it failed, if it was one
 */
export async function workerFault(build: Build, own?: Guest): Promise<CiError | undefined> {
  const signal = AbortSignal.timeout(CHECK_LIMIT_MS);
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
