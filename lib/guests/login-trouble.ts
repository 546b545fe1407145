import { factsOf, type LoginFailure, messageOf } from '../errors/ci-error.ts';

/**
 * How a login attempt failed, in order of how much that tells a person: a dropped connection says less than a refused
 * key before it.
 */
const KINDS = ['silent', 'no-listener', 'broken', 'ended', 'other-host-key', 'refused'] as const;

/** How a login failed, as its error states it; `broken` if it states nothing. */
export type LoginTroubleKind = LoginFailure | 'broken';

/** Returns how a login attempt failed. */
export const failureOf = (error: unknown): LoginTroubleKind => factsOf(error).loginFailure ?? 'broken';

/** Delay before the next attempt. An attempt costs the guest nothing if nothing listens yet. */
const RETRY_DELAYS_MS: Record<LoginTroubleKind, number> = {
  silent: 200,
  'no-listener': 50,
  broken: 500,
  ended: 2_000,
  'other-host-key': 2_000,
  refused: 5_000,
};
const MAX_RETRY_DELAY_MS = 5_000;

/**
 * Why login to a guest has not succeeded so far, and how long to wait before the next attempt. OpenSSH 9.8 and newer
 * reset the connections of a client that fails often (PerSourcePenalties in sshd_config(5): 5 s for each refused key,
 * 1 s for each connection without a login, enforced from 15 s on). The delays are long enough that none is ever enforced.
 */
export class LoginTrouble {
  #reason: { kind: LoginTroubleKind; text: string } | undefined;
  #broken = 0;

  /** Records a failed attempt. @returns milliseconds to wait before the next one */
  note(error: unknown): number {
    const kind = failureOf(error);
    const rank = (one: LoginTroubleKind): number => KINDS.indexOf(one);
    if (!this.#reason || rank(kind) >= rank(this.#reason.kind)) this.#reason = { kind, text: messageOf(error) };
    this.#broken = kind === 'broken' || kind === 'ended' ? this.#broken + 1 : 0;
    return Math.min(RETRY_DELAYS_MS[kind] * 2 ** Math.max(0, this.#broken - 1), MAX_RETRY_DELAY_MS);
  }

  /** The most telling reason; the latest of equals. */
  get text(): string | undefined {
    return this.#reason?.text;
  }
}
