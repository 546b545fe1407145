import { readFile } from 'node:fs/promises';
import { setTimeout as sleep } from 'node:timers/promises';

/** Polls until the condition gives something true, and returns it; throws after the limit (milliseconds). */
export async function until<T>(
  what: string,
  condition: () => T | Promise<T>,
  limit = 15_000,
): Promise<Exclude<T, false | undefined | null | 0 | ''>> {
  const end = Date.now() + limit;
  for (;;) {
    const value = await condition();
    if (value) return value as Exclude<T, false | undefined | null | 0 | ''>;
    if (Date.now() > end) throw new Error(`not within ${limit} ms: ${what}`);
    await sleep(20);
  }
}

/** Whether a process is there and no zombie. */
export async function runs(pid: number): Promise<boolean> {
  try {
    const stat = await readFile(`/proc/${pid}/stat`, 'utf8');
    return !/^\S+ \(.*\) Z/s.test(stat);
  } catch {
    return false;
  }
}
