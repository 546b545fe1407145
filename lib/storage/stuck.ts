import { quote } from '../ssh/quote.ts';

/** A clone, draft or image that could not be removed from a worker, and what keeps it there. */
export interface Stuck {
  kind: 'clone' | 'draft' | 'image';
  name: string;
  path: string;
  /** Only for zfs. */
  dataset?: string;
  /** What the commands that should have removed it printed; empty if none was tried. */
  said: string;
  /** Mount points at its folder or below. */
  mounts: string[];
  /** Swap files in it that are in use. */
  swaps: string[];
  /** Btrfs subvolumes in it, the deepest first, itself included. */
  subvolumes: string[];
  /** Held snapshots of it; the tag is `TAG` if the worker's zfs cannot name it. */
  holds: { snapshot: string; tag: string }[];
  /** Datasets of somebody else that were cloned from its snapshots. */
  clones: string[];
  /** Whether the worker lacks chattr. */
  lacksChattr: boolean;
}

/** Parses what removal.sh prints about clones, drafts and images that could not be removed. */
export function readStuck(stdout: string): Stuck[] {
  const found: Stuck[] = [];
  for (const line of stdout.split('\n')) {
    const [word, first = '', second = '', path = '', dataset] = line.split('\t');
    if (word === 'stuck' && (first === 'clone' || first === 'draft' || first === 'image')) {
      const nothing = { mounts: [], swaps: [], subvolumes: [], holds: [], clones: [], lacksChattr: false };
      found.push({ kind: first, name: second, path, ...(dataset ? { dataset } : {}), said: '', ...nothing });
      continue;
    }
    const one = found.at(-1);
    if (!one) continue;
    if (word === 'said') one.said = first.trim();
    if (word === 'mount') one.mounts.push(first);
    if (word === 'swap') one.swaps.push(first);
    if (word === 'subvolume') one.subvolumes.push(first);
    if (word === 'hold') one.holds.push({ snapshot: first, tag: second });
    if (word === 'clone') one.clones.push(first);
    if (word === 'no-chattr') one.lacksChattr = true;
  }
  return found;
}

/** Returns why it still exists, as part of a sentence. */
export function reasonOf({ said, mounts, swaps, holds, clones }: Stuck): string {
  const reasons = [
    ...holds.map(({ snapshot, tag }) => `its snapshot ${snapshot} is held${tag === 'TAG' ? '' : ` (${tag})`}`),
    ...clones.map((name) => `${name} was cloned from a snapshot of it`),
    ...mounts.map((mount) => `${mount} is mounted in it and in use`),
    ...swaps.map((file) => `the swap file ${file} is in use`),
  ];
  return reasons.slice(0, 3).join('; ') || said.replace(/\.$/, '') || 'its build has ended';
}

/** Returns the command line that removes it as root, after what is in the way. */
export function commandOf(stuck: Stuck): string {
  const { path, dataset, said, mounts, swaps, subvolumes, holds, clones, lacksChattr } = stuck;
  const commands = mounts.map((mount) => ['umount', '-l', mount]);
  if (dataset !== undefined) {
    commands.push(
      ...holds.map(({ snapshot, tag }) => ['zfs', 'release', tag, snapshot]),
      ...clones.map((name) => ['zfs', 'promote', name]),
      ['zfs', 'destroy', '-r', dataset],
    );
    return lineOf(commands);
  }
  commands.push(...swaps.map((file) => ['swapoff', file]));
  if (/default subvolume/.test(said)) commands.push(['btrfs', 'subvolume', 'set-default', '5', path]);
  if (/read-only file system/i.test(said)) {
    commands.push(...subvolumes.map((one) => ['btrfs', 'property', 'set', '-f', '-ts', one, 'ro', 'false']).reverse());
  }
  if (/not permitted/i.test(said) && swaps.length === 0) {
    if (lacksChattr) commands.push(['apt-get', 'install', 'e2fsprogs']);
    commands.push(['chattr', '-R', '-i', '-a', path]);
  }
  if (subvolumes.length > 0) commands.push(['btrfs', 'subvolume', 'delete', ...subvolumes]);
  if (!subvolumes.includes(path)) commands.push(['rm', '-rf', '--one-file-system', path]);
  return lineOf(commands);
}

const lineOf = (commands: readonly string[][]): string => commands.map((command) => quote(command)).join(' && ');
