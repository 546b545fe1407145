import { storageFault } from '../../errors/storage.ts';

/**
 * Runs work on files.
 *
 * @param what the beginning of a message about the work: "Clone unit-7f3a"
 * @throws the signal's reason when aborted, otherwise a CiError
 */
export async function guarded<T>(what: string, signal: AbortSignal, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    signal.throwIfAborted();
    throw storageFault(what, error);
  }
}
