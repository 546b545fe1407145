/**
 * Waits for a promise, but no longer than until the signal aborts. What the promise stands for goes on.
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
 * Does work that may take so many milliseconds; its signal aborts then with the error given, or as `signal` does.
 *
 * @throws the work's error; where it was aborted the reason, whatever the work makes of that
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

/** Waits for so many milliseconds. @throws the signal's reason, as soon as it aborts */
export async function pause(milliseconds: number, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const timer = setTimeout(resolve, milliseconds);
  try {
    await abortable(promise, signal);
  } finally {
    clearTimeout(timer);
  }
}
