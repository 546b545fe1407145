import type { ChildProcess } from 'node:child_process';
import { waitForPromise } from './wait.ts';

/** How a child process ended. */
export interface ChildEnd {
  code: number | null;
  signal: NodeJS.Signals | null;
}

/**
 * Waits until a child process has ended, which may have happened before: Node emits the event once, and a later listener
 * would wait for ever. Rejects if the process could not be started.
 */
export const endOf = (child: ChildProcess): Promise<ChildEnd> =>
  new Promise((resolve, reject) => {
    const ended = (): void => resolve({ code: child.exitCode, signal: child.signalCode });
    if (child.exitCode !== null || child.signalCode !== null) return ended();
    child.once('exit', ended).once('error', reject);
  });

/** Ends a child process if it is running, and waits until it has ended. `limit` is in milliseconds. */
export async function end(child: ChildProcess, signal: NodeJS.Signals = 'SIGKILL', limit = 60_000): Promise<ChildEnd> {
  const ended = endOf(child);
  if (child.exitCode === null && child.signalCode === null) child.kill(signal);
  return waitForPromise(`process ${child.pid} (${child.spawnfile}) ends after ${signal}`, ended, limit);
}
