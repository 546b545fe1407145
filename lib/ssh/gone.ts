import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from './types.ts';

/** Milliseconds within which a reboot closes the connection, after it has ended a command. */
const REBOOT_NOTICE_MS = 10_000;

/**
 * Returns whether the connection is lost within the time that a reboot takes to close it.
 *
 * @throws the signal's reason
 */
export async function isLostSoon({ gone }: Pick<Host, 'gone'>, signal: AbortSignal): Promise<boolean> {
  const either = AbortSignal.any([gone, signal]);
  await sleep(REBOOT_NOTICE_MS, undefined, { signal: either, ref: false }).catch(() => undefined);
  signal.throwIfAborted();
  return gone.aborted;
}
