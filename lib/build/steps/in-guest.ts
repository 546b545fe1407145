import { setTimeout as sleep } from 'node:timers/promises';
import { guestLost, guestRebooted } from '../../errors/build.ts';
import type { Host } from '../../ssh/types.ts';
import type { Build } from '../build.ts';
import type { Guest } from '../lease.ts';
import { reach } from '../reach.ts';
import type { Services } from '../services.ts';
import type { StepOutcome } from '../types.ts';
import { watchGuest } from '../watch-guest.ts';

/** Milliseconds to find out what became of a guest, and that one which may reboot has for it. */
const REACH = 120_000;
const REBOOT = 600_000;

/** Milliseconds in which a reboot that a script asked for takes its connection away. */
const NOTICE = 10_000;

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
  if (guest.host!.gone.aborted && (await reachAgain(run, patience))) return rebooted(guest);
  const host = guest.host!;
  const watch = watchGuest(guest.worker.hypervisor, guest.domain);
  let outcome: StepOutcome | undefined;
  try {
    outcome = await run.work(host, AbortSignal.any([signal, watch.signal]));
    if (!mayReboot || isOwnFailure(outcome) || !(await isLostSoon(host, signal))) return outcome;
  } catch (error) {
    if (watch.signal.aborted) throw watch.signal.reason;
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
    return await reach(guest, services, { signal, limit });
  } finally {
    build.clock.resume();
  }
}

/** Whether a connection goes within the time in which a reboot takes it. */
async function isLostSoon({ gone }: Host, signal: AbortSignal): Promise<boolean> {
  await sleep(NOTICE, undefined, { signal: AbortSignal.any([gone, signal]), ref: false }).catch(() => undefined);
  signal.throwIfAborted();
  return gone.aborted;
}
