import { guestLost } from '../errors/build-guest.ts';
import { factsOf, messageOf } from '../errors/ci-error.ts';
import { abortable, pause, withTimeout } from '../util/abort.ts';
import type { Guest } from './guest.ts';
import { logInToGuest } from './login.ts';
import { type CloudInitResult, whenReady } from './ready.ts';

const ADDRESS_LOOKUP_TIMEOUT_MS = 10_000;
/** How long a guest that has another address has to answer on the connection to its old one. */
const OLD_ADDRESS_TIMEOUT_MS = 5_000;
/** Pause between two attempts to reach a guest whose worker cannot be reached. */
const WORKER_RETRY_DELAY_MS = 500;
/** How long a guest's address stays valid after a lookup: several callers ask before each step. */
const ADDRESS_TTL_MS = 1_000;

/** The controller's key, which every guest accepts. */
export interface ControllerLogin {
  key: { privateKey: string };
}

/** What `refreshGuests` needs of a build. */
export interface GuestHolder {
  resources: { guests: ReadonlyMap<string, Guest> };
  /** Variables of its scripts. */
  env: Record<string, string>;
  /** Counts the patch's own time. */
  clock: { pause(): void; resume(): void };
}

/** Callbacks of a login to a guest, and its signal. */
export interface ConnectGuestOptions {
  signal: AbortSignal;
  /** Called with each address that is tried. */
  onAddress?(): void;
  /** Called with the reason why login has not succeeded yet. */
  onTrouble(why: string): void;
}

/**
 * Logs in to a booted guest, and stores its connection, address and boot id in it.
 *
 * @throws CiError as `logInToGuest` does
 */
export async function connectGuest(
  guest: Guest,
  { key }: ControllerLogin,
  { signal, onAddress, onTrouble }: ConnectGuestOptions,
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

/** Waits until cloud-init has finished in a connected guest. @throws CiError as `whenReady` does */
export function settleGuest(
  guest: Guest,
  services: ControllerLogin,
  options: ConnectGuestOptions & { say(line: string): void },
): Promise<CloudInitResult> {
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

/** Returns whether two boot ids differ; false if one of them is unknown. */
export const isOtherBoot = (before: string | undefined, now: string | undefined): boolean =>
  Boolean(before) && Boolean(now) && before !== now;

/**
 * Returns whether a guest has rebooted since a step last learned of a reboot, or began to run in it. True once per
 * reboot.
 */
export function hasRebooted(guest: Guest): boolean {
  const { knownBoot, bootId } = guest;
  if (bootId) guest.knownBoot = bootId;
  return isOtherBoot(knownBoot, bootId);
}

/**
 * Reconnects a build's guests as far as their connections were lost, and updates the variables with their addresses. A
 * guest that cannot be reached is left to the step that needs it. Does not count as time of the patch.
 */
export async function refreshGuests(
  { resources, env, clock }: GuestHolder,
  services: ControllerLogin,
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
 * Closes the connection to an address that a guest no longer has. Nothing answers there, and the connection's
 * keep-alive would only notice when a script may have begun.
 */
async function leaveOldAddress(guest: Guest, signal: AbortSignal): Promise<void> {
  const { host, address, worker, domain, soughtAt = Number.NEGATIVE_INFINITY } = guest;
  if (!host || !address || host.gone.aborted || performance.now() - soughtAt < ADDRESS_TTL_MS) return;
  const look = AbortSignal.any([signal, AbortSignal.timeout(ADDRESS_LOOKUP_TIMEOUT_MS)]);
  // A worker that cannot be asked proves nothing about the connection.
  const found = await worker.hypervisor.addresses(domain, { signal: look }).catch(() => []);
  signal.throwIfAborted();
  const likely = found[0]?.host ?? address.host;
  // It may have several addresses; it has left this one only if nothing answers.
  if (likely !== address.host) {
    const late = AbortSignal.any([signal, AbortSignal.timeout(OLD_ADDRESS_TIMEOUT_MS)]);
    // The command's own timeout counts from its start, which is never confirmed there.
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
 * Reconnects a guest if its connection was lost: it rebooted, got another address, or the network was down for a while.
 *
 * @param limit milliseconds
 * @throws CiError if it cannot be reached within the limit, or is gone; the signal's reason if it aborts
 */
export async function reconnect(
  guest: Guest,
  services: ControllerLogin,
  { signal, limit }: { signal: AbortSignal; limit: number },
): Promise<void> {
  if (guest.fault !== undefined) throw guest.fault;
  await leaveOldAddress(guest, signal);
  if (!guest.host?.gone.aborted) return;
  // Not this step's signal: a step of another branch may wait for the same connection.
  guest.reconnecting ??= logInAgain(guest, services, limit).finally(() => {
    delete guest.reconnecting;
  });
  guest.reconnecting.catch(() => {});
  await abortable(guest.reconnecting, signal);
}

async function logInAgain(guest: Guest, services: ControllerLogin, limit: number): Promise<void> {
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
          // The guest is reached through its worker's connection, which may be lost too.
          if (!factsOf(error).isConnectionLost) throw error;
          onTrouble(messageOf(error));
          await pause(WORKER_RETRY_DELAY_MS, signal);
        }
      }
    });
  } catch (error) {
    const died = factsOf(error).guestEnd === 'gone';
    throw died ? guestLost(guest.name, 'it powered off, or somebody destroyed it') : error;
  }
}
