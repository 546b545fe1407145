import { messageOf } from '../errors/ci-error.ts';
import type { Worker } from '../worker/types.ts';

/** Time for a host to report its free capacity. */
const CAPACITY_TIMEOUT_MS = 30_000;

/** Why a host takes no build now. */
export interface Shortage {
  /** Names the host. */
  reason: string;
  /** One or two words, for a status. */
  brief: string;
}

/** Returns the shortage of a host that has not answered yet, or in time. */
export const unanswered = ({ label }: Worker): Shortage => ({ reason: `${label} does not answer`, brief: 'no answer' });

/** A host's free capacity. */
export interface Availability {
  /** MiB. */
  memory: number;
  shortage?: Shortage;
  /** Whether asking it failed; false while its answer is only late. */
  isUnreachable?: boolean;
}

/** Asks a host for its free capacity. A host that cannot be asked has a shortage. */
export async function askAvailability(worker: Worker): Promise<Availability> {
  if (!worker.capacity) return { memory: 0 };
  try {
    const {
      memory,
      reason,
      brief = 'busy',
    } = await worker.capacity({ signal: AbortSignal.timeout(CAPACITY_TIMEOUT_MS) });
    return reason === undefined ? { memory } : { memory, shortage: { reason: `${worker.label} ${reason}`, brief } };
  } catch (error) {
    const silent = error instanceof Error && error.name === 'TimeoutError';
    const shortage = silent ? unanswered(worker) : { reason: messageOf(error), brief: 'unreachable' };
    return { memory: 0, isUnreachable: true, shortage };
  }
}
