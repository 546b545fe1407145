import { guestLost, guestRebooted } from '../../errors/build-guest.ts';
import { hasRebooted, isOtherBoot, reconnect, settleGuest } from '../../guests/reconnect.ts';
import { isLostSoon } from '../../ssh/gone.ts';
import type { Host } from '../../ssh/types.ts';
import { abortable } from '../../util/abort.ts';
import type { Build } from '../build.ts';
import type { Guest } from '../resources.ts';
import type { Services } from '../services.ts';
import type { StepOutcome } from '../types.ts';
import { watchGuests, workerFault } from './worker-faults.ts';

/** Milliseconds to find out what became of a guest, and that one which may reboot has for it. */
const REACH = 120_000;
const REBOOT = 600_000;

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
  const { build, guest, services, signal, mayReboot } = run;
  const patience = services.patience ?? REACH;
  if (mayReboot) guest.mayReboot = true;
  await reachAgain(run, { limit: patience, since: guest.bootId });
  if (hasRebooted(guest)) return rebooted(guest);
  const host = guest.host!;
  const boot = guest.bootId;
  const watch = watchGuests(build, guest);
  let outcome: StepOutcome | undefined;
  try {
    // A guest that stands still does not end what runs in it, which would be waited for.
    outcome = await abortable(run.work(host, AbortSignal.any([signal, watch.signal])), watch.signal);
    if (outcome.result === 'FAILURE' || outcome.result === 'TIMED_OUT') {
      const fault = await workerFault(build, guest);
      signal.throwIfAborted();
      if (fault) throw fault;
    }
    if (!mayReboot || isOwnFailure(outcome) || !(await isLostSoon(host, signal))) return outcome;
  } catch (error) {
    if (watch.signal.aborted) {
      if (guest.fault !== undefined) host.close();
      throw watch.signal.reason;
    }
    if (signal.aborted || !host.gone.aborted) throw error;
  } finally {
    watch.stop();
  }
  await reachAgain(run, { limit: mayReboot ? REBOOT : patience, since: boot });
  if (!isOtherBoot(boot, guest.bootId)) throw guestLost(guest.name, 'it was cut while a script ran');
  hasRebooted(guest);
  if (!mayReboot) return rebooted(guest);
  build.say(`${guest.name}: rebooted, and is up again`);
  return { ...outcome, result: 'SUCCESS' };
}

const rebooted = (guest: Guest): StepOutcome => ({ result: 'FAILURE', message: guestRebooted(guest.name).message });

/** Whether a script failed by itself: one that a reboot ends is ended by a signal, which shells tell as 128 and more. */
const isOwnFailure = ({ result, exitCode = 0 }: StepOutcome): boolean =>
  result === 'TIMED_OUT' || (exitCode > 0 && exitCode < 128);

/**
 * Logs in again if the connection was lost, and waits for the cloud-init of a guest that rebooted and may. It costs the
 * patch no time.
 *
 * @param since the boot that was left: another step may have logged in again before
 */
async function reachAgain(
  { build, guest, services, signal, mayReboot }: GuestRun,
  { limit, since }: { limit: number; since: string | undefined },
): Promise<void> {
  build.clock.pause();
  try {
    await reconnect(guest, services, { signal, limit });
    if (!mayReboot || !guest.cloudInitLimit || !isOtherBoot(since, guest.bootId)) return;
    await settleGuest(guest, services, { signal, onTrouble() {}, say() {} });
  } finally {
    build.clock.resume();
  }
}
