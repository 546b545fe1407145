import { setTimeout as sleep } from 'node:timers/promises';
import { otherHostKey } from '../errors/build.ts';
import { CiError, messageOf } from '../errors/ci-error.ts';
import type { Host } from '../ssh/types.ts';
import type { Login, Worker } from '../worker/types.ts';
import type { GuestPapers } from './guest-papers.ts';

/** Milliseconds between two tries; and where no sshd listened yet, which costs the guest nothing. */
const PAUSE = 200;
const SOON = 50;

/** Milliseconds for which a guest may show another host key than its own: its sshd may start before cloud-init is there. */
const KEY_TIME = 30_000;

/** What a worker says of a guest that is gone, or was stopped since its disk is full: no further try can help. */
const GONE = new Set(['worker/guest-died', 'worker/no-guest-at-address', 'libvirt/guest-stopped']);

/** How a login goes on. */
export interface LogInOptions {
  signal: AbortSignal;
  /** The guest's metadata, with the host key that was made for it. */
  papers: GuestPapers | undefined;
  /** Told why a try failed. */
  onTrouble(why: string): void;
}

/**
 * Tries to log in to a guest until it works: its sshd may answer before its keys are in place.
 *
 * @throws the signal's reason, or a CiError where the guest is gone or stopped, or shows another host key than the one made for it
 */
export async function logIn(
  worker: Worker,
  login: Omit<Login, 'hostKey'>,
  { signal, papers, onTrouble }: LogInOptions,
): Promise<Host> {
  const hostKey = papers?.hostKey;
  let otherSince: number | undefined;
  for (;;) {
    try {
      const host = await worker.login(hostKey === undefined ? login : { ...login, hostKey }, { signal });
      papers?.loggedIn();
      return host;
    } catch (error) {
      signal.throwIfAborted();
      const code = error instanceof CiError ? error.code : '';
      if (GONE.has(code)) throw error;
      otherSince = hostKey !== undefined && code === 'ssh/host-key-changed' ? (otherSince ?? Date.now()) : undefined;
      if (otherSince !== undefined && Date.now() - otherSince > KEY_TIME) throw otherHostKey(worker.label, login.host);
      onTrouble(otherSince === undefined ? messageOf(error) : otherHostKey(worker.label, login.host).message);
      await sleep(code === 'ssh/forward' ? SOON : PAUSE, undefined, { signal });
    }
  }
}
