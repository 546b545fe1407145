import { notUpInTime } from '../errors/build-guest.ts';
import { CiError, factsOf, messageOf } from '../errors/ci-error.ts';
import { hardwareAdvice } from '../errors/libvirt-hardware.ts';
import { isWorkerFull } from '../errors/worker.ts';
import { lastLines } from '../util/last-lines.ts';
import type { Firmware, Hypervisor } from '../worker/types.ts';

const CONSOLE_READ_TIMEOUT_MS = 5_000;

/** How much of a console's end is kept: a kernel panic takes many lines. */
const MAX_CONSOLE_LINE_COUNT = 100;

/** Returns the end of a guest's serial console as plain lines; none if it cannot be read. */
export async function consoleEnd(hypervisor: Hypervisor, domain: string): Promise<string[]> {
  try {
    const console = await hypervisor.console(domain, { signal: AbortSignal.timeout(CONSOLE_READ_TIMEOUT_MS) });
    return console ? await lastLines(console, MAX_CONSOLE_LINE_COUNT) : [];
  } catch {
    return [];
  }
}

/** What is known of a guest to which no login succeeded. */
export interface NotUp {
  hypervisor: Hypervisor;
  domain: string;
  /** Its time limit in milliseconds, if exceeded. */
  timeUp: number | undefined;
  /** Why the last login attempt failed; undefined if it has no address yet. */
  trouble: string | undefined;
  firmware: Firmware | undefined;
  /** Whether its first network card is on a private bridge. */
  privateFirst: boolean;
}

/**
 * Finds out why a guest did not come up.
 *
 * @returns the reason, as part of a sentence, and the last line of its console, empty if the reason contains it
 * @throws `cause` if that is not a fault of the guest and needs no further explanation
 */
export async function whyNotUp(cause: unknown, guest: NotUp): Promise<{ why: string; last: string }> {
  const { hypervisor, domain, timeUp, trouble, firmware, privateFirst } = guest;
  const { guestEnd, quotesConsole } = factsOf(cause);
  const isOfGuest = guestEnd === 'gone' || timeUp !== undefined || !(cause instanceof CiError);
  if (isWorkerFull(cause) || !isOfGuest) throw cause;
  const lines = await consoleEnd(hypervisor, domain);
  const hardware = hardwareAdvice(lines, firmware);
  const last = lines.at(-1) ?? '';
  if (timeUp !== undefined) return { why: notUpInTime(timeUp / 1000, trouble, last, { hardware, privateFirst }), last };
  const advice = lines.length > 0 && hardware ? ` ${hardware}` : '';
  return { why: `${messageOf(cause)}${advice}`, last: quotesConsole ? '' : last };
}
