import { program } from '../util/program.ts';
import { sameOwner } from '../worker/owner.ts';
import type { Owner } from '../worker/types.ts';
import type { Virsh } from './virsh.ts';

/** Namespace of our element in a domain's `<metadata>`, by which libvirt stores it. */
export const OWNER_NAMESPACE = 'https://github.com/recheck-ci/node-red-gerrit-ci/owner';

/** An owner element with any prefix. */
const ELEMENT = /<(?:\w+:)?owner\b[^>]*>/g;

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Parses the owner element that `virsh metadata` prints; undefined if it is missing or incomplete. */
export function parseOwner(xml: string): Owner | undefined {
  const element = xml.match(ELEMENT)?.[0];
  const controller = attribute(element, 'controller');
  const build = attribute(element, 'build');
  const attempt = Number(attribute(element, 'attempt'));
  if (controller === undefined || build === undefined || !Number.isInteger(attempt)) return undefined;
  return { controller, build, attempt };
}

function attribute(element: string | undefined, name: string): string | undefined {
  const [, , value] = new RegExp(`\\s${name}=(["'])(.*?)\\1`).exec(element ?? '') ?? [];
  return value?.replace(/&(\w+);/g, (whole, entity: string) => ENTITIES[entity] ?? whole);
}

/** Returns whether domain XML names this owner. Elements of the same name may belong to other programs. */
export function namesOwner(xml: string, owner: Owner): boolean {
  const owners = (xml.match(ELEMENT) ?? []).map(parseOwner);
  return xml.includes(OWNER_NAMESPACE) && owners.some((one) => one !== undefined && sameOwner(one, owner));
}

/** Returns the owner of a running domain; undefined if it is gone, or was not created by Recheck. */
export async function ownerOf(virsh: Virsh, domain: string, signal: AbortSignal): Promise<Owner | undefined> {
  const args = ['metadata', '--domain', domain, '--uri', OWNER_NAMESPACE];
  const answer = await virsh.ask(args, { signal, what: `the owner of guest ${domain}` });
  return answer.code === 0 ? parseOwner(answer.stdout) : undefined;
}

const LIST = program(import.meta.url, 'list-owners');

/** Lists the worker's domains of builds, also of other Rechecks, with their owners. */
export async function listOwners(virsh: Virsh, signal: AbortSignal): Promise<{ domain: string; owner: Owner }[]> {
  const text = await virsh.program(LIST, [OWNER_NAMESPACE], { signal, what: 'the list of guests' });
  return text.split('\n').flatMap((line) => {
    const [domain = '', xml = ''] = line.split('\t');
    const owner = parseOwner(xml);
    return owner ? [{ domain, owner }] : [];
  });
}
