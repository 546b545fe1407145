import { storageFault } from '../../errors/storage.ts';

/**
 * Runs file work: an abort comes out as the signal's reason, anything else as a CiError.
 *
 * @param what the work, as a message begins: "Clone unit-7f3a"
 */
export async function guarded<T>(what: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    throw storageFault(what, error);
  }
}
