import { CiError } from '../errors/ci-error.ts';
import { noAnswer } from '../errors/ssh.ts';
import type { Link } from './link-pool.ts';
import type { Host } from './types.ts';

/**
 * Returns the link's host for one piece of work. A link that is down tries again now.
 *
 * @param limit milliseconds
 * @throws CiError if only a person can fix it (key refused, host key changed), or it is not up within the limit; the
 * signal's reason
 */
export async function hostWithin(link: Link, limit: number, signal: AbortSignal): Promise<Host> {
  const over = new AbortController();
  const stopListening = link.onHealth(({ state, error }) => {
    if (state === 'down' && error instanceof CiError && !error.retryable) over.abort(error);
  });
  const timer = setTimeout(() => over.abort(link.health.error ?? noAnswer(link.target, limit)), limit);
  if (link.health.state === 'down') link.retry();
  try {
    return await link.host(AbortSignal.any([signal, over.signal]));
  } finally {
    clearTimeout(timer);
    stopListening();
  }
}

/** Milliseconds until a link that only a person can fix is tried again for somebody who asks: it may be fixed by then. */
const FIXED_AFTER_MS = 15_000;

/**
 * Returns the link's host without waiting for retries: a link that is down is tried once more. If only a person can fix it,
 * the try is not waited for, and not made at each call, since a server may lock out clients that log in too often.
 *
 * @param fixedAfter milliseconds between two such tries
 * @throws CiError the link's error; the signal's reason
 */
export async function hostNow(link: Link, signal: AbortSignal, fixedAfter: number = FIXED_AFTER_MS): Promise<Host> {
  const { state, error, since = 0 } = link.health;
  if (state === 'down' && error instanceof CiError && !error.retryable) {
    if (Date.now() - since >= fixedAfter) link.retry();
    throw error;
  }
  const failed = new AbortController();
  const stopListening = link.onHealth((health) => {
    if (health.state === 'down') failed.abort(health.error);
  });
  if (state === 'down') link.retry();
  try {
    return await link.host(AbortSignal.any([signal, failed.signal]));
  } finally {
    stopListening();
  }
}
