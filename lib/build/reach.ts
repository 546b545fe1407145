import { guestLost } from '../errors/build.ts';
import { CiError } from '../errors/ci-error.ts';
import type { Host } from '../ssh/types.ts';
import { limited, until } from '../storage/until.ts';
import type { Guest } from './lease.ts';
import { logIn } from './log-in.ts';
import type { Services } from './services.ts';

/** Milliseconds that a guest has to say which boot it is in. */
const BOOT_ID = 10_000;

/** Logs in to a guest that has an address, and notes which boot of it that is. */
export async function enterGuest(
  guest: Guest,
  { key }: Pick<Services, 'key'>,
  options: { signal: AbortSignal; onTrouble(why: string): void },
): Promise<void> {
  const login = { ...guest.address!, user: guest.image.loginUser, privateKey: key.privateKey };
  const host = await logIn(guest.worker, login, { ...options, papers: guest.papers });
  if (guest.released) {
    host.close();
    throw guestLost(guest.name, 'its build ended');
  }
  guest.host = host;
  // Not waited for: it is wanted only where the connection is lost.
  guest.bootId = bootIdOf(host);
}

/**
 * Makes a guest's connection anew where it was lost: the guest rebooted, or something on the way was cut for a while.
 *
 * @param limit milliseconds
 * @returns whether the guest has booted since its connection was made
 * @throws CiError where it cannot be reached within the limit, or is gone; the signal's reason where it aborts
 */
export async function reach(
  guest: Guest,
  services: Pick<Services, 'key'>,
  { signal, limit }: { signal: AbortSignal; limit: number },
): Promise<boolean> {
  if (!guest.host?.gone.aborted) return false;
  // Not this step's signal: another branch's may wait for the same connection.
  guest.reaching ??= reachAnew(guest, services, limit).finally(() => {
    delete guest.reaching;
  });
  guest.reaching.catch(() => {});
  return until(guest.reaching, signal);
}

async function reachAnew(guest: Guest, services: Pick<Services, 'key'>, limit: number): Promise<boolean> {
  const before = await guest.bootId;
  let trouble = 'it does not answer';
  const onTrouble = (why: string) => {
    trouble = why;
  };
  const late = () => guestLost(guest.name, trouble);
  try {
    await limited(new AbortController().signal, limit, late, (within) =>
      enterGuest(guest, services, { signal: within, onTrouble }),
    );
  } catch (error) {
    const died = error instanceof CiError && error.code === 'worker/guest-died';
    throw died ? guestLost(guest.name, 'it powered off, or somebody destroyed it') : error;
  }
  const now = await guest.bootId;
  return before !== undefined && before !== '' && now !== undefined && now !== '' && now !== before;
}

/** Linux: a number that every boot has anew (random(4)). */
async function bootIdOf(host: Host): Promise<string> {
  try {
    const { stdout } = await host.run(['cat', '/proc/sys/kernel/random/boot_id'], { timeout: BOOT_ID });
    return stdout.trim();
  } catch (error) {
    if (error instanceof CiError) return '';
    throw error;
  }
}
