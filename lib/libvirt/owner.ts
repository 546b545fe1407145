import { program } from '../util/program.ts';
import { sameOwner } from '../worker/owner.ts';
import type { Owner } from '../worker/types.ts';
import type { Virsh } from './virsh.ts';

/** Name of our element in a domain's `<metadata>`; libvirt keeps elements by their namespace. */
export const OWNER_NAMESPACE = 'https://github.com/recheck-ci/node-red-gerrit-ci/owner';

/** An element of that name, whatever its prefix. */
const ELEMENT = /<(?:\w+:)?owner\b[^>]*>/g;

const ENTITIES: Record<string, string> = { amp: '&', lt: '<', gt: '>', quot: '"', apos: "'" };

/** Reads the owner from our element, as `virsh metadata` prints it; undefined where it is not there, or not whole. */
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

/** Whether a domain of this XML could be told to be this owner's. Elements of that name may be other programs' too. */
export function tells(xml: string, owner: Owner): boolean {
  const owners = (xml.match(ELEMENT) ?? []).map(parseOwner);
  return xml.includes(OWNER_NAMESPACE) && owners.some((one) => one !== undefined && sameOwner(one, owner));
}

/** Whose a running domain is; undefined where it is gone, or not ours. */
export async function ownerOf(virsh: Virsh, domain: string, signal: AbortSignal): Promise<Owner | undefined> {
  const args = ['metadata', '--domain', domain, '--uri', OWNER_NAMESPACE];
  const answer = await virsh.ask(args, { signal, what: `the owner of guest ${domain}` });
  return answer.code === 0 ? parseOwner(answer.stdout) : undefined;
}

const LIST = program(import.meta.url, 'list-owners');

/** The domains of the worker that are some build's, of another Recheck too, and whose they are. */
export async function listOwners(virsh: Virsh, signal: AbortSignal): Promise<{ domain: string; owner: Owner }[]> {
  const text = await virsh.program(LIST, [OWNER_NAMESPACE], { signal, what: 'the list of guests' });
  return text.split('\n').flatMap((line) => {
    const [domain = '', xml = ''] = line.split('\t');
    const owner = parseOwner(xml);
    return owner ? [{ domain, owner }] : [];
  });
}
