import { notAdmitted, otherHostKey } from '../errors/build-guest.ts';
import { factsOf } from '../errors/ci-error.ts';
import type { Host } from '../ssh/types.ts';
import { pause } from '../util/abort.ts';
import type { GuestAddress, Login, Worker } from '../worker/types.ts';
import { failureOf, LoginTrouble } from './login-trouble.ts';
import type { GuestMetadata } from './metadata.ts';
import { GREET } from './programs.ts';

/** Milliseconds for which a guest may show another host key than its own: its sshd may start before cloud-init is there. */
const OTHER_KEY_LIMIT_MS = 30_000;

/** Milliseconds for which addresses are believed while the guest answers at one of them, if only with a refusal. */
const ADDRESSES_BELIEVED_MS = 2_000;

/** Milliseconds that a guest has to run its first command. A forced command may sleep before it ends: cloud-init's, 10 s. */
const GREET_LIMIT_MS = 60_000;

/** How often a guest must refuse commands before that is its last word. */
const REFUSALS = 2;

/** How a guest is logged in to. */
export interface ConnectOptions extends Pick<Login, 'user' | 'privateKey'> {
  signal: AbortSignal;
  /** The guest's metadata, with the host key that was made for it. */
  metadata: GuestMetadata | undefined;
  /** Told each address that is tried. */
  onAddress?(address: GuestAddress): void;
  /** Told why nobody could log in yet: the reason that tells most. */
  onTrouble(why: string): void;
}

/** A guest that was logged in to. */
export interface Connected {
  host: Host;
  /** The address at which it let us in. */
  address: GuestAddress;
  /** Which boot of it that was, as its kernel says; empty if it cannot tell. */
  bootId: string;
}

/**
 * Logs in to a guest, trying until it works: a guest's address may change while it boots, and its sshd may answer before
 * its keys are in place.
 *
 * @throws the signal's reason, or a CiError if the guest cannot come up, shows another host key than the one made for it,
 *   or lets us in and runs no command
 */
export async function logInToGuest(worker: Worker, domain: string, options: ConnectOptions): Promise<Connected> {
  const { signal, metadata, onAddress, onTrouble } = options;
  const trouble = new LoginTrouble();
  let otherKeySince: number | undefined;
  let refusals = 0;
  let candidates: GuestAddress[] = [];
  let asked = Number.NEGATIVE_INFINITY;
  for (;;) {
    if (performance.now() - asked > ADDRESSES_BELIEVED_MS) {
      candidates = await worker.hypervisor.addresses(domain, { signal });
      asked = performance.now();
    }
    let wait = 0;
    for (const address of candidates) {
      onAddress?.(address);
      try {
        return await logIn(worker, domain, address, options);
      } catch (error) {
        signal.throwIfAborted();
        if (factsOf(error).isLoginFutile) throw error;
        const failure = failureOf(error);
        if (failure === 'silent') asked = Number.NEGATIVE_INFINITY;
        otherKeySince = failure === 'other-host-key' ? (otherKeySince ?? Date.now()) : undefined;
        const wrongKey = metadata?.hostKey !== undefined && otherKeySince !== undefined;
        const told = wrongKey ? otherHostKey(worker.label, address.host) : error;
        wait = trouble.note(told);
        onTrouble(trouble.text!);
        if (wrongKey && Date.now() - otherKeySince! > OTHER_KEY_LIMIT_MS) throw told;
        refusals = factsOf(error).runsNoCommand ? refusals + 1 : 0;
        if (refusals >= REFUSALS) throw error;
        // One that answers is the guest: its older addresses are not tried.
        if (failure !== 'silent') break;
      }
    }
    await pause(wait, signal);
  }
}

async function logIn(
  worker: Worker,
  domain: string,
  address: GuestAddress,
  { signal, metadata, user, privateKey }: ConnectOptions,
): Promise<Connected> {
  const login = { ...address, user, privateKey };
  const hostKey = metadata?.hostKey;
  const host = await worker.login(hostKey === undefined ? login : { ...login, hostKey }, { signal });
  try {
    const bootId = await greet(host, domain, user, signal);
    metadata?.loggedIn();
    return { host, address, bootId };
  } catch (error) {
    host.close();
    throw error;
  }
}

/** Runs the first command: a login that only prints something, such as "Please login as the user debian", is none. */
async function greet(host: Host, domain: string, user: string, signal: AbortSignal): Promise<string> {
  try {
    return (await host.run(['/bin/sh', '-c', GREET], { signal, timeout: GREET_LIMIT_MS })).stdout.trim();
  } catch (error) {
    throw factsOf(error).runsNoCommand ? notAdmitted(domain, user, host.noise ?? '') : error;
  }
}
