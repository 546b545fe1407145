import { workerSilent } from '../errors/image.ts';
import { withTimeout } from '../util/abort.ts';
import type { CallOptions, Worker } from '../worker/types.ts';

const MINUTE_MS = 60_000;

/** Minutes that one answer of a worker may take. */
const ANSWER_TIMEOUT_MINUTES = 10;

/**
 * Asks a worker for something that is quick once it can be reached.
 *
 * @param what the subject of an error message: "Clone unit-7f3a"
 * @throws CiError image/worker-silent after ten minutes
 */
export function answerOf<T>(
  worker: Worker,
  what: string,
  signal: AbortSignal,
  ask: (options: CallOptions) => Promise<T>,
): Promise<T> {
  const late = () => workerSilent(what, worker.label, ANSWER_TIMEOUT_MINUTES);
  return withTimeout(signal, ANSWER_TIMEOUT_MINUTES * MINUTE_MS, late, (within) => ask({ signal: within }));
}
