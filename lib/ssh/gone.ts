import { setTimeout as sleep } from 'node:timers/promises';
import type { Host } from './types.ts';

/** Milliseconds in which a reboot takes the connection of what it has ended. */
const REBOOT_NOTICE_MS = 10_000;

/** Whether a connection is lost within the time in which a reboot takes it. @throws the signal's reason */
export async function isLostSoon({ gone }: Pick<Host, 'gone'>, signal: AbortSignal): Promise<boolean> {
  const either = AbortSignal.any([gone, signal]);
  await sleep(REBOOT_NOTICE_MS, undefined, { signal: either, ref: false }).catch(() => undefined);
  signal.throwIfAborted();
  return gone.aborted;
}
