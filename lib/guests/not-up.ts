import { notUpInTime } from '../errors/build-guest.ts';
import { CiError, factsOf, messageOf } from '../errors/ci-error.ts';
import { hardwareAdvice } from '../errors/libvirt-hardware.ts';
import { isWorkerFull } from '../errors/worker.ts';
import { lastLines } from '../util/last-lines.ts';
import type { Firmware, Hypervisor } from '../worker/types.ts';

/** Milliseconds for reading a guest's console. */
const CONSOLE_LIMIT_MS = 5_000;

/** Lines of a console that are read: a kernel's last words are many. */
const CONSOLE_LINES = 100;

/** The end of a guest's serial console, as plain lines; nothing if it cannot be read. */
export async function consoleEnd(hypervisor: Hypervisor, domain: string): Promise<string[]> {
  try {
    const console = await hypervisor.console(domain, { signal: AbortSignal.timeout(CONSOLE_LIMIT_MS) });
    return console ? await lastLines(console, CONSOLE_LINES) : [];
  } catch {
    return [];
  }
}

/** What is known of a guest that nobody could log in to. */
export interface NotUp {
  hypervisor: Hypervisor;
  domain: string;
  /** Milliseconds that it had, if they are over. */
  timeUp: number | undefined;
  /** Why the last try to log in failed; undefined if it has no address yet. */
  trouble: string | undefined;
  firmware: Firmware | undefined;
  /** Whether its first network card is on a private bridge. */
  privateFirst: boolean;
}

/**
 * Finds out why a guest did not come up.
 *
 * @returns the reason, as a part of a sentence, and the last line of its console, empty if the reason has that already
 * @throws `cause` if that is not a fault of the guest, and says all by itself
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
