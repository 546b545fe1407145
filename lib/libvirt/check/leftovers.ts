import type { Host } from '../../ssh/types.ts';
import { BACKENDS } from '../../storage/host-storage.ts';
import { program, STUCK } from '../../storage/programs/programs.ts';
import { readRecords } from '../../storage/storage-lines.ts';
import { commandOf, readStuck, reasonOf, type Stuck } from '../../storage/stuck.ts';
import type { Owner } from '../../worker/types.ts';
import type { Check } from './item.ts';
import type { StoragePlace } from './storage.ts';

/** CleanupQueue that are listed one by one. */
const MAX_LISTED = 20;

/** Milliseconds for one look. */
const LIMIT = 30_000;

export interface LeftoverSettings {
  /** Id of the Recheck that asks. */
  controller: string;
  storage: StoragePlace;
  /** Whether that owner's build, or image build, is under way; if missing, only what a removal failed on is known. */
  alive?: (owner: Owner) => boolean;
}

const KIND = { clone: 'Clone', draft: 'Half-made or replaced image', image: 'Image' } as const;

/**
 * Lists what Recheck left in a worker's storage and no build uses: what it could not remove, and clones of this
 * controller whose build has ended. Each has the command that removes it. Changes nothing.
 *
 * @throws CiError if the connection is lost; the signal's reason if it aborts
 */
export async function checkLeftovers(host: Host, settings: LeftoverSettings, signal: AbortSignal): Promise<Check[]> {
  const { controller, storage, alive } = settings;
  const look = async (names: readonly string[]): Promise<string> => {
    const text = program(BACKENDS[storage.kind].functions, STUCK);
    const { stdout } = await host.run(['/bin/sh', '-c', text, 'recheck', storage.place, ...names], {
      signal,
      timeout: LIMIT,
    });
    return stdout;
  };
  const first = await look([]);
  const tried = readStuck(first);
  const known = new Set(tried.filter(({ kind }) => kind === 'clone').map(({ name }) => name));
  const lines = first.split('\n').flatMap((line) => (line.startsWith('record ') ? [line.slice('record '.length)] : []));
  const ended = readRecords(lines.join('\n'))
    .filter(({ owner }) => owner.controller === controller && alive?.(owner) === false)
    .map(({ name }) => name)
    .filter((name) => !known.has(name));
  const untried = ended.length === 0 ? [] : readStuck(await look(ended)).filter(({ name }) => ended.includes(name));
  return listed([...tried, ...untried]);
}

function listed(left: readonly Stuck[]): Check[] {
  const checks = left.slice(0, MAX_LISTED).map((one): Check => {
    const detail = `${KIND[one.kind]} ${one.name} is left over and takes space: ${reasonOf(one)}.`;
    return { what: 'leftovers', ok: true, detail, fix: commandOf(one) };
  });
  const more = left.length - checks.length;
  return more > 0 ? [...checks, { what: 'leftovers', ok: true, detail: `And ${more} more.` }] : checks;
}
