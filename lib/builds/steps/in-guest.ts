import { guestLost, guestRebooted } from '../../errors/build-guest.ts';
import type { Guest } from '../../guests/guest.ts';
import { hasRebooted, isOtherBoot, reconnect, settleGuest } from '../../guests/reconnect.ts';
import { isLostSoon } from '../../ssh/gone.ts';
import type { Host } from '../../ssh/types.ts';
import { abortable } from '../../util/abort.ts';
import type { Build } from '../build.ts';
import type { Services } from '../services.ts';
import type { StepOutcome } from '../types.ts';
import { watchGuests, workerFault } from '../worker-faults.ts';

/** Timeouts for reconnecting to a guest that was lost, and to one that may reboot. */
const RECONNECT_TIMEOUT_MS = 120_000;
const REBOOT_TIMEOUT_MS = 600_000;

/** Work to run in a guest. */
export interface GuestRun {
  build: Build;
  guest: Guest;
  services: Pick<Services, 'key' | 'reconnectTimeoutMs'>;
  signal: AbortSignal;
  /** Whether the work may reboot the guest. */
  mayReboot: boolean;
  work(host: Host, signal: AbortSignal): Promise<StepOutcome>;
}

/**
 * Runs work in a guest, and finds out why if the connection is lost. If the guest rebooted, the result is FAILURE; or, if
 * the work may reboot it, the step ends after the next login. Reconnecting does not count against the job's time limit.
 *
 * @throws CiError if the guest was lost in another way or its worker failed, which is not the patch's fault
 */
export async function runInGuest(run: GuestRun): Promise<StepOutcome> {
  const { build, guest, services, signal, mayReboot } = run;
  const timeoutMs = services.reconnectTimeoutMs ?? RECONNECT_TIMEOUT_MS;
  if (mayReboot) guest.mayReboot = true;
  await reconnectForStep(run, { limit: timeoutMs, since: guest.bootId });
  if (hasRebooted(guest)) return rebooted(guest);
  const host = guest.host!;
  const boot = guest.bootId;
  const watch = watchGuests(build, guest);
  let outcome: StepOutcome | undefined;
  try {
    // A paused guest does not end what runs in it, so the work alone would never return.
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
  await reconnectForStep(run, { limit: mayReboot ? REBOOT_TIMEOUT_MS : timeoutMs, since: boot });
  if (!isOtherBoot(boot, guest.bootId)) throw guestLost(guest.name, 'it was cut while a script ran');
  hasRebooted(guest);
  if (!mayReboot) return rebooted(guest);
  build.say(`${guest.name}: up again after its reboot`);
  return { ...outcome, result: 'SUCCESS' };
}

const rebooted = (guest: Guest): StepOutcome => ({ result: 'FAILURE', message: guestRebooted(guest.name).message });

/** Returns whether a script itself failed: a reboot ends it with a signal, which shells report as exit code 128 + n. */
const isOwnFailure = ({ result, exitCode = 0 }: StepOutcome): boolean =>
  result === 'TIMED_OUT' || (exitCode > 0 && exitCode < 128);

/**
 * Logs in again if the connection was lost, and then waits for cloud-init if the guest was allowed to reboot and did. The
 * job's clock is paused meanwhile.
 *
 * @param since id of the boot that the step began in; another step may have reconnected already
 */
async function reconnectForStep(
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
