import type { Host } from '../ssh/types.ts';
import type { Owner } from '../worker/types.ts';
import type { Backend } from './backends.ts';
import { storageCommand } from './programs.ts';
import { readRecords } from './storage-lines.ts';
import { readStuck, type Stuck } from './stuck.ts';

/** Milliseconds that one look at a storage may take. */
const LOOK_TIMEOUT_MS = 30_000;

/**
 * Describes what could not be removed from a worker's storage, and lists its clones with their owners.
 *
 * @param place a path, or for zfs the name of a dataset
 * @param clones names of clones to describe as well
 * @throws CiError if the connection is lost; the signal's reason if it aborts
 */
export async function findLeftovers(
  host: Host,
  { kind, place }: { kind: Backend['kind']; place: string },
  clones: readonly string[],
  signal: AbortSignal,
): Promise<{ stuck: Stuck[]; clones: { name: string; owner: Owner }[] }> {
  const command = storageCommand(kind, 'stuck', place, clones);
  const { stdout } = await host.run(command, { signal, timeout: LOOK_TIMEOUT_MS });
  const records = stdout
    .split('\n')
    .flatMap((line) => (line.startsWith('record ') ? [line.slice('record '.length)] : []));
  return { stuck: readStuck(stdout), clones: readRecords(records.join('\n')) };
}
