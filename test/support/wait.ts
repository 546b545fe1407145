import { type EventEmitter, once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Polls until the condition returns something truthy, and returns it. Throws after the limit (milliseconds). */
export async function waitFor<T>(
  what: string,
  condition: () => T | Promise<T>,
  limit = 60_000,
): Promise<Exclude<T, false | undefined | null | 0 | ''>> {
  const end = Date.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | undefined | null | 0 | ''>;
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what}`);
    await sleep(20);
  }
}

/**
 * Waits for a promise; throws after the limit (milliseconds), with what did not happen. For what may have happened already
 * and was listened to from the beginning: see `session` and `endOf`.
 */
export async function waitForPromise<T>(what: string, promise: Promise<T>, limit = 60_000): Promise<T> {
  const over = new AbortController();
  const late = sleep(limit, undefined, { signal: over.signal }).then(() => {
    throw new Error(`not within ${limit} ms: ${what}`);
  });
  late.catch(() => {});
  try {
    return await Promise.race([promise, late]);
  } finally {
    over.abort();
  }
}

/**
 * Waits for an event and returns its arguments; throws after the limit, and if the emitter emits an error. Only for what
 * cannot have happened before the call: a past event is never received.
 */
export const waitForEvent = (
  what: string,
  emitter: EventEmitter,
  event: string,
  limit = 60_000,
): ReturnType<typeof once> => waitForPromise(what, once(emitter, event), limit);

/** Returns whether a process exists and is not a zombie. */
export async function runs(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return !/^\S+ \(.*\) Z/s.test(stat);
  } catch {
    return false;
  }
}
