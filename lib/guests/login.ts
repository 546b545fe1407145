import { notAdmitted, otherHostKey } from '../errors/build-guest.ts';
import { factsOf } from '../errors/ci-error.ts';
import type { Host } from '../ssh/types.ts';
import { pause } from '../util/abort.ts';
import type { GuestAddress, Login, Worker } from '../worker/types.ts';
import { failureOf, LoginTrouble } from './login-trouble.ts';
import type { GuestMetadata } from './metadata.ts';
import { READ_BOOT_ID } from './programs.ts';

/** How long a guest may present another host key than its own: its sshd may start before cloud-init has run. */
const OTHER_HOST_KEY_LIMIT_MS = 30_000;

/** How long addresses stay valid while the guest answers at one of them, if only with a refusal. */
const ADDRESSES_TTL_MS = 2_000;

/** Limit of the first command. A forced command may sleep before it ends; cloud-init's does for 10 s. */
const FIRST_COMMAND_TIMEOUT_MS = 60_000;

/** How often a guest must refuse commands before login fails. */
const MAX_REFUSAL_COUNT = 2;

/** How to log in to a guest. */
export interface LoginOptions extends Pick<Login, 'user' | 'privateKey'> {
  signal: AbortSignal;
  /** Metadata of the guest, with the host key generated for it. */
  metadata: GuestMetadata | undefined;
  /** Called with each address that is tried. */
  onAddress?(address: GuestAddress): void;
  /** Called with the most telling reason why login has not succeeded yet. */
  onTrouble(why: string): void;
}

/** A successful login to a guest. */
export interface GuestConnection {
  host: Host;
  /** The address that accepted the login. */
  address: GuestAddress;
  /** Boot id of its kernel; empty if unknown. */
  bootId: string;
}

/**
 * Logs in to a guest; retries until that succeeds. A guest's address may change while it boots, and its sshd may answer
 * before its keys are in place.
 *
 * @throws the signal's reason, or a CiError if the guest cannot come up, presents another host key than the one
 *   generated for it, or accepts the login and runs no command
 */
export async function logInToGuest(worker: Worker, domain: string, options: LoginOptions): Promise<GuestConnection> {
  const { signal, metadata, onAddress, onTrouble } = options;
  const trouble = new LoginTrouble();
  let otherKeySince: number | undefined;
  let refusals = 0;
  let candidates: GuestAddress[] = [];
  let asked = Number.NEGATIVE_INFINITY;
  for (;;) {
    if (performance.now() - asked > ADDRESSES_TTL_MS) {
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
        if (wrongKey && Date.now() - otherKeySince! > OTHER_HOST_KEY_LIMIT_MS) throw told;
        refusals = factsOf(error).runsNoCommand ? refusals + 1 : 0;
        if (refusals >= MAX_REFUSAL_COUNT) throw error;
        // What answers is the guest, so its older addresses are not tried.
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
  { signal, metadata, user, privateKey }: LoginOptions,
): Promise<GuestConnection> {
  const login = { ...address, user, privateKey };
  const hostKey = metadata?.hostKey;
  const host = await worker.login(hostKey === undefined ? login : { ...login, hostKey }, { signal });
  try {
    const bootId = await readBootId(host, domain, user, signal);
    metadata?.loggedIn();
    return { host, address, bootId };
  } catch (error) {
    host.close();
    throw error;
  }
}

/** Runs the first command. A login that only prints "Please login as the user debian" counts as refused. */
async function readBootId(host: Host, domain: string, user: string, signal: AbortSignal): Promise<string> {
  try {
    return (
      await host.run(['/bin/sh', '-c', READ_BOOT_ID], { signal, timeout: FIRST_COMMAND_TIMEOUT_MS })
    ).stdout.trim();
  } catch (error) {
    throw factsOf(error).runsNoCommand ? notAdmitted(domain, user, host.noise ?? '') : error;
  }
}
