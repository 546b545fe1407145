/**
 * Waits for a promise until the signal aborts. The work behind the promise continues.
 *
 * @throws the promise's error, or the signal's reason
 */
export async function abortable<T>(promise: Promise<T>, signal: AbortSignal): Promise<T> {
  signal.throwIfAborted();
  const { promise: aborted, reject } = Promise.withResolvers<never>();
  const onAbort = () => reject(signal.reason);
  signal.addEventListener('abort', onAbort, { once: true });
  try {
    return await Promise.race([promise, aborted]);
  } finally {
    signal.removeEventListener('abort', onAbort);
  }
}

/**
 * Runs work with a time limit; the signal that it gets aborts at the limit, or when `signal` does.
 *
 * @param limit milliseconds
 * @param late returns the reason for an abort at the limit
 * @throws the work's error; if it was aborted the reason, whatever the work throws then
 */
export async function withTimeout<T>(
  signal: AbortSignal,
  limit: number,
  late: () => Error,
  work: (signal: AbortSignal) => Promise<T>,
): Promise<T> {
  const timer = new AbortController();
  const timeout = setTimeout(() => timer.abort(late()), limit).unref();
  const within = AbortSignal.any([signal, timer.signal]);
  try {
    return await work(within);
  } catch (error) {
    within.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timeout);
  }
}

/** Waits for a number of milliseconds. @throws the signal's reason, as soon as it aborts */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  try {
    await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}
