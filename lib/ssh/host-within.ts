import { CiError } from '../errors/ci-error.ts';
import { noAnswer } from '../errors/ssh.ts';
import type { Link } from './link-pool.ts';
import type { Host } from './types.ts';

/**
 * The link's host for one piece of work. A link that is down tries again now; where it then says what only a person can
 * mend (a key refused, a host key changed), or is not up within the limit, that is thrown.
 *
 * @param limit milliseconds
 * @throws CiError the link's own trouble; the signal's reason where it aborts
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

/** Milliseconds after which a link that only a person can mend is tried anew for one who asks: it may be mended. */
const MENDED = 15_000;

/**
 * The link's host where it can be had at once: a link that is down tries once more. Where only a person can mend it that
 * is not waited for, and not done at each question: a server locks out who knocks too often.
 *
 * @param mended milliseconds between two such tries
 * @throws CiError the link's own trouble; the signal's reason where it aborts
 */
export async function hostNow(link: Link, signal: AbortSignal, mended: number = MENDED): Promise<Host> {
  const { state, error, since = 0 } = link.health;
  if (state === 'down' && error instanceof CiError && !error.retryable) {
    if (Date.now() - since >= mended) link.retry();
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
