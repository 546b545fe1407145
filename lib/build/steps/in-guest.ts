import { guestLost, guestRebooted } from '../../errors/build.ts';
import { CiError } from '../../errors/ci-error.ts';
import { isLostSoon } from '../../ssh/gone.ts';
import type { Host } from '../../ssh/types.ts';
import { until } from '../../storage/until.ts';
import type { Build } from '../build.ts';
import type { Guest } from '../lease.ts';
import { reconnect } from '../reconnect.ts';
import type { Services } from '../services.ts';
import type { StepOutcome } from '../types.ts';
import { watchGuest } from '../watch-guest.ts';

/** Milliseconds to find out what became of a guest, and that one which may reboot has for it. */
const REACH = 120_000;
const REBOOT = 600_000;

/** Milliseconds that a worker has to say whether a guest in which something failed is sound. */
const CHECK_LIMIT_MS = 20_000;

/** What runs in a guest. */
export interface GuestRun {
  build: Build;
  guest: Guest;
  services: Pick<Services, 'key' | 'patience'>;
  signal: AbortSignal;
  mayReboot: boolean;
  work(host: Host, signal: AbortSignal): Promise<StepOutcome>;
}

/**
 * Runs something in a guest, and tells what it means where the connection is lost: a guest that rebooted is the
 * script's doing, FAILURE, or where it may do so the end of the step, once it is logged in to again. Anything else is
 * none of the patch's, and what is found out of it costs it no time.
 */
export async function inGuest(run: GuestRun): Promise<StepOutcome> {
  const { guest, services, signal, mayReboot } = run;
  const patience = services.patience ?? REACH;
  if (mayReboot) guest.mayReboot = true;
  if (await reachAgain(run, patience)) return rebooted(guest);
  const host = guest.host!;
  const watch = watchGuest(guest.worker.hypervisor, guest.domain);
  let outcome: StepOutcome | undefined;
  try {
    // A guest that stands still does not end what runs in it, which would be waited for.
    outcome = await until(run.work(host, AbortSignal.any([signal, watch.signal])), watch.signal);
    if (outcome.result === 'FAILURE' || outcome.result === 'TIMED_OUT') await mustBeSound(run);
    if (!mayReboot || isOwnFailure(outcome) || !(await isLostSoon(host, signal))) return outcome;
  } catch (error) {
    if (watch.signal.aborted) {
      host.close();
      guest.fault = watch.signal.reason;
      throw guest.fault;
    }
    if (signal.aborted || !host.gone.aborted) throw error;
  } finally {
    watch.stop();
  }
  if (!(await reachAgain(run, mayReboot ? REBOOT : patience))) {
    throw guestLost(guest.name, 'it was cut while a script ran');
  }
  if (!mayReboot) return rebooted(guest);
  run.build.say(`${guest.name}: rebooted, and is up again`);
  return { ...outcome, result: 'SUCCESS' };
}

const rebooted = (guest: Guest): StepOutcome => ({ result: 'FAILURE', message: guestRebooted(guest.name).message });

/** Whether a script failed by itself: one that a reboot ends is ended by a signal, which shells tell as 128 and more. */
const isOwnFailure = ({ result, exitCode = 0 }: StepOutcome): boolean =>
  result === 'TIMED_OUT' || (exitCode > 0 && exitCode < 128);

async function reachAgain({ build, guest, services, signal }: GuestRun, limit: number): Promise<boolean> {
  build.clock.pause();
  try {
    return await reconnect(guest, services, { signal, limit });
  } finally {
    build.clock.resume();
  }
}

/**
 * Makes sure that what failed in a guest was not its worker's doing, whose disk may be full or broken. A worker that
 * cannot be asked says nothing.
 *
 * @throws CiError if it was
 */
async function mustBeSound({ guest, signal }: GuestRun): Promise<void> {
  const late = AbortSignal.any([signal, AbortSignal.timeout(CHECK_LIMIT_MS)]);
  await guest.worker.hypervisor.check?.(guest.domain, { signal: late }).catch((error) => {
    signal.throwIfAborted();
    if (error instanceof CiError && /^libvirt\/guest-/.test(error.code)) throw error;
  });
}
