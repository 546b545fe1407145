import type { Build } from '../builds/build.ts';
import type { Guest } from '../builds/resources.ts';
import type { Services } from '../builds/services.ts';
import { guestLost } from '../errors/build-guest.ts';
import { factsOf, messageOf } from '../errors/ci-error.ts';
import { abortable, pause, withTimeout } from '../util/abort.ts';
import { logInToGuest } from './login.ts';
import { type CloudInitEnd, whenReady } from './ready.ts';

/** Milliseconds to find out where a guest is now. */
const LOOK_LIMIT_MS = 10_000;
/** Milliseconds in which a guest that has another address must answer on the connection to its old one. */
const ANSWER_LIMIT_MS = 5_000;
/** Milliseconds between two tries to reach a guest whose worker cannot be reached. */
const WORKER_RETRY_MS = 500;
/** Milliseconds for which a guest that was looked for is taken to be where it was: several ask before a step. */
const PLACE_BELIEVED_MS = 1_000;

export interface EnterOptions {
  signal: AbortSignal;
  /** Told each address that is tried. */
  onAddress?(): void;
  /** Told why nobody could log in yet. */
  onTrouble(why: string): void;
}

/** Logs in to a guest that was booted, and notes its connection, its address, and which boot of it that is. */
export async function connectGuest(
  guest: Guest,
  { key }: Pick<Services, 'key'>,
  { signal, onAddress, onTrouble }: EnterOptions,
): Promise<void> {
  const { host, address, bootId } = await logInToGuest(guest.worker, guest.domain, {
    signal,
    user: guest.image.loginUser,
    privateKey: key.privateKey,
    metadata: guest.metadata,
    onTrouble,
    onAddress(tried) {
      guest.address = tried;
      onAddress?.();
    },
  });
  if (guest.released) {
    host.close();
    throw guestLost(guest.name, 'its build ended');
  }
  Object.assign(guest, { host, address, bootId, soughtAt: performance.now() });
}

/** Waits until cloud-init has finished in a guest that was logged in to. @throws CiError as `whenReady` does */
export function settleGuest(
  guest: Guest,
  services: Pick<Services, 'key'>,
  options: EnterOptions & { say(line: string): void },
): Promise<CloudInitEnd> {
  const { signal, say } = options;
  return whenReady(guest.name, guest.host!, {
    signal,
    limit: guest.cloudInitLimit ?? 0,
    say,
    async logIn(within) {
      await connectGuest(guest, services, { ...options, signal: within });
      return guest.host!;
    },
  });
}

/** Whether two boot ids are of two boots; of one that is not known nothing is said. */
export const isOtherBoot = (before: string | undefined, now: string | undefined): boolean =>
  Boolean(before) && Boolean(now) && before !== now;

/** Whether a guest has rebooted since a step was last told so, or began to run in it. To be asked once. */
export function hasRebooted(guest: Guest): boolean {
  const { knownBoot, bootId } = guest;
  if (bootId) guest.knownBoot = bootId;
  return isOtherBoot(knownBoot, bootId);
}

/**
 * Makes the lost connections of a build's guests anew, and tells its scripts where each guest is now. What cannot be
 * reached is left to the step that needs it. It costs the patch no time.
 */
export async function refreshGuests(
  { resources, env, clock }: Build,
  services: Pick<Services, 'key'>,
  options: { signal: AbortSignal; limit: number },
): Promise<void> {
  clock.pause();
  try {
    await Promise.all(
      [...resources.guests.values()].map(async (guest) => {
        if (!guest.host) return;
        await reconnect(guest, services, options).catch(() => options.signal.throwIfAborted());
        if (guest.addressEnv && guest.address) env[guest.addressEnv] = guest.address.host;
      }),
    );
  } finally {
    clock.resume();
  }
}

/**
 * Closes the connection to an address that a guest no longer has: nothing would be answered there, and nothing says so
 * before the connection's keep-alive gives up, when a script may have begun.
 */
async function leaveOldAddress(guest: Guest, signal: AbortSignal): Promise<void> {
  const { host, address, worker, domain, soughtAt = Number.NEGATIVE_INFINITY } = guest;
  if (!host || !address || host.gone.aborted || performance.now() - soughtAt < PLACE_BELIEVED_MS) return;
  const look = AbortSignal.any([signal, AbortSignal.timeout(LOOK_LIMIT_MS)]);
  // A worker that cannot tell says nothing of the connection.
  const found = await worker.hypervisor.addresses(domain, { signal: look }).catch(() => []);
  signal.throwIfAborted();
  const likely = found[0]?.host ?? address.host;
  // It may have several: only one that has fallen silent was left.
  if (likely !== address.host) {
    const late = AbortSignal.any([signal, AbortSignal.timeout(ANSWER_LIMIT_MS)]);
    // A command's own limit counts from its start, which nobody confirms any more.
    const isSilent = await abortable(host.run(['true'], { signal: late }), late).then(
      () => false,
      () => true,
    );
    signal.throwIfAborted();
    if (isSilent) host.close();
  }
  guest.soughtAt = performance.now();
}

/**
 * Makes a guest's connection anew if it was lost: the guest rebooted, got another address, or something on the way was cut
 * for a while.
 *
 * @param limit milliseconds
 * @throws CiError if it cannot be reached within the limit, or is gone; the signal's reason if it aborts
 */
export async function reconnect(
  guest: Guest,
  services: Pick<Services, 'key'>,
  { signal, limit }: { signal: AbortSignal; limit: number },
): Promise<void> {
  if (guest.fault !== undefined) throw guest.fault;
  await leaveOldAddress(guest, signal);
  if (!guest.host?.gone.aborted) return;
  // Not this step's signal: another branch's may wait for the same connection.
  guest.reconnecting ??= logInAgain(guest, services, limit).finally(() => {
    delete guest.reconnecting;
  });
  guest.reconnecting.catch(() => {});
  await abortable(guest.reconnecting, signal);
}

async function logInAgain(guest: Guest, services: Pick<Services, 'key'>, limit: number): Promise<void> {
  let trouble = 'it does not answer';
  const onTrouble = (why: string) => {
    trouble = why;
  };
  const late = () => guestLost(guest.name, trouble);
  try {
    await withTimeout(new AbortController().signal, limit, late, async (signal) => {
      for (;;) {
        try {
          return await connectGuest(guest, services, { signal, onTrouble });
        } catch (error) {
          signal.throwIfAborted();
          // The way to the guest leads through its worker's connection, which may be lost with the guest's.
          if (!factsOf(error).isConnectionLost) throw error;
          onTrouble(messageOf(error));
          await pause(WORKER_RETRY_MS, signal);
        }
      }
    });
  } catch (error) {
    const died = factsOf(error).guestEnd === 'gone';
    throw died ? guestLost(guest.name, 'it powered off, or somebody destroyed it') : error;
  }
}
