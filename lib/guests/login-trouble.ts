import { factsOf, messageOf, type LoginFailure as StatedFailure } from '../errors/ci-error.ts';

/**
 * How a try to log in to a guest failed. The later in this list, the more it tells a person: a guest that drops
 * connections says less than the one that refused the key before.
 */
const KINDS = ['silent', 'no-listener', 'broken', 'ended', 'other-host-key', 'refused'] as const;

/** How a login failed, as its error states it; `broken` if it states nothing. */
export type LoginFailure = StatedFailure | 'broken';

/** Returns how a login attempt failed. */
export const failureOf = (error: unknown): LoginFailure => factsOf(error).loginFailure ?? 'broken';

/** Milliseconds until the next try. Where nothing listens yet, a try costs the guest nothing. */
const PAUSES_MS: Record<LoginFailure, number> = {
  silent: 200,
  'no-listener': 50,
  broken: 500,
  ended: 2_000,
  'other-host-key': 2_000,
  refused: 5_000,
};
const LONGEST_PAUSE_MS = 5_000;

/**
 * Why nobody could log in to a guest so far, and how long to wait before the next try. OpenSSH 9.8 and newer answer a
 * client that fails often with resets (PerSourcePenalties in sshd_config(5): 5 s for each refused key, 1 s for each
 * connection without a login, enforced from 15 s on): so slow that none is ever enforced.
 */
export class LoginTrouble {
  #told: { kind: LoginFailure; text: string } | undefined;
  #broken = 0;

  /** Takes note of a failed try. @returns milliseconds to wait before the next one */
  note(error: unknown): number {
    const kind = failureOf(error);
    const rank = (one: LoginFailure): number => KINDS.indexOf(one);
    if (!this.#told || rank(kind) >= rank(this.#told.kind)) this.#told = { kind, text: messageOf(error) };
    this.#broken = kind === 'broken' || kind === 'ended' ? this.#broken + 1 : 0;
    return Math.min(PAUSES_MS[kind] * 2 ** Math.max(0, this.#broken - 1), LONGEST_PAUSE_MS);
  }

  /** The reason that tells most; of reasons that tell as much, the last. */
  get text(): string | undefined {
    return this.#told?.text;
  }
}
