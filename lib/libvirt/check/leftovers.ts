import type { Host } from '../../ssh/types.ts';
import { findLeftovers } from '../../storage/leftovers.ts';
import { commandOf, reasonOf, type Stuck } from '../../storage/stuck.ts';
import type { Owner } from '../../worker/types.ts';
import type { Check } from './item.ts';
import type { StoragePlace } from './storage.ts';

/** Number of leftovers that are listed individually; further ones are only counted. */
const MAX_LISTED_COUNT = 20;

/** Which leftovers to look for, and where. */
export interface LeftoverSettings {
  /** Id of this Recheck. */
  controller: string;
  storage: StoragePlace;
  /** Returns whether the owner's build or image build is running; if missing, only failed removals are listed. */
  alive?: (owner: Owner) => boolean;
}

const KIND = { clone: 'Clone', draft: 'Half-made or replaced image', image: 'Image' } as const;

/**
 * Lists the leftovers in a worker's storage: what could not be removed, and clones of this controller whose build has
 * ended. Each comes with the command that removes it. Changes nothing.
 *
 * @throws CiError if the connection is lost; the signal's reason if it aborts
 */
export async function checkLeftovers(host: Host, settings: LeftoverSettings, signal: AbortSignal): Promise<Check[]> {
  const { controller, storage, alive } = settings;
  const { stuck: tried, clones } = await findLeftovers(host, storage, [], signal);
  const known = new Set(tried.filter(({ kind }) => kind === 'clone').map(({ name }) => name));
  const ended = clones
    .filter(({ owner }) => owner.controller === controller && alive?.(owner) === false)
    .map(({ name }) => name)
    .filter((name) => !known.has(name));
  if (ended.length === 0) return listed(tried);
  const { stuck } = await findLeftovers(host, storage, ended, signal);
  return listed([...tried, ...stuck.filter(({ name }) => ended.includes(name))]);
}

function listed(left: readonly Stuck[]): Check[] {
  const checks = left.slice(0, MAX_LISTED_COUNT).map((one): Check => {
    const detail = `${KIND[one.kind]} ${one.name} is left over and takes space: ${reasonOf(one)}.`;
    return { what: 'leftovers', ok: true, detail, fix: commandOf(one) };
  });
  const more = left.length - checks.length;
  return more > 0 ? [...checks, { what: 'leftovers', ok: true, detail: `And ${more} more.` }] : checks;
}
