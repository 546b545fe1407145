import { setTimeout as sleep } from 'node:timers/promises';
import { CiError, messageOf } from '../errors/ci-error.ts';
import type { Host } from '../ssh/types.ts';
import type { Login, Worker } from '../worker/types.ts';

/** Milliseconds between two tries. */
const PAUSE = 200;

/** What a worker says of a guest that is gone: no further try can help. */
const GONE = new Set(['worker/guest-died', 'worker/no-guest-at-address']);

/**
 * Tries to log in to a guest until it works: its sshd may answer before its keys are in place.
 *
 * @param onTrouble told why a try failed
 * @throws the signal's reason, or a CiError where the guest is gone
 */
export async function logIn(
  worker: Worker,
  login: Login,
  { signal, onTrouble }: { signal: AbortSignal; onTrouble(why: string): void },
): Promise<Host> {
  for (;;) {
    try {
      return await worker.login(login, { signal });
    } catch (error) {
      signal.throwIfAborted();
      if (error instanceof CiError && GONE.has(error.code)) throw error;
      onTrouble(messageOf(error));
      await sleep(PAUSE, undefined, { signal });
    }
  }
}
