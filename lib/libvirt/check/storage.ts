import { quote } from '../../ssh/quote.ts';
import { formatGib } from '../../util/format.ts';
import type { Check } from './item.ts';
import { type Facts, PACKAGES } from './program.ts';

/** Where a worker keeps images and clones. */
export interface StoragePlace {
  kind: 'btrfs' | 'zfs' | 'directory';
  /** Path; for zfs the name of a dataset. */
  place: string;
}

/** Returns the command that creates a btrfs file system for a path. */
const sparseBtrfs = (place: string): string => {
  const at = quote([place]);
  return [
    'truncate -s 100G /var/lib/recheck.btrfs',
    'mkfs.btrfs /var/lib/recheck.btrfs',
    `mkdir -p ${at}`,
    `echo ${quote([`/var/lib/recheck.btrfs ${place} btrfs loop 0 0`])} >> /etc/fstab`,
    `mount ${at}`,
  ].join(' && ');
};

/** Checks the storage. */
export function checkStorage(facts: Facts, { kind, place }: StoragePlace): Check[] {
  const check = (ok: boolean, detail: string, fix?: string): Check[] => [
    { what: 'storage', ok, detail, ...(fix === undefined ? {} : { fix }) },
  ];
  const found = new Map(
    facts('place').map((line) => {
      const [name = '', ...rest] = line.split(' ');
      return [name, rest.join(' ')] as const;
    }),
  );
  const command = kind === 'directory' ? undefined : kind;
  // A missing command is reported with the commands.
  if (command !== undefined && PACKAGES[command] !== undefined && facts('missing').includes(command)) return [];
  const above = found.get('missing');
  if (above !== undefined) {
    if (kind === 'zfs') {
      const fix = place.includes('/') ? `zfs create -p ${quote([place])}` : `zpool create ${quote([place])} /dev/DISK`;
      return check(false, `There is no ZFS dataset ${place}, or zfs does not run.`, fix);
    }
    if (kind === 'directory') return check(false, `There is no folder ${place}.`, `mkdir -p ${quote([place])}`);
    const parent = place.slice(0, Math.max(1, place.lastIndexOf('/')));
    const subvolume = `mkdir -p ${quote([parent])} && btrfs subvolume create ${quote([place])}`;
    return check(false, `There is no folder ${place}.`, above === 'btrfs' ? subvolume : sparseBtrfs(place));
  }
  if (found.has('unmounted')) {
    const fix = `zfs set mountpoint=${quote([`/${place}`])} ${quote([place])} && zfs mount ${quote([place])}`;
    return check(false, `The ZFS dataset ${place} is not mounted.`, fix);
  }
  const root = found.get('root');
  const fileSystem = found.get('kind') ?? '';
  if (root === undefined) return check(false, `${place} could not be checked.`);
  if (kind === 'btrfs' && fileSystem !== 'btrfs') {
    return check(
      false,
      `${place} is on ${fileSystem}, not on btrfs. Mount one there, or choose "directory".`,
      sparseBtrfs(place),
    );
  }
  const refused = found.get('refused');
  if (refused !== undefined) return check(false, `${place} is not writable: ${refused}`);
  const closed = facts('place').flatMap((line) => (line.startsWith('closed ') ? [line.slice('closed '.length)] : []));
  const qemuUser = facts('qemu-user')[0] || 'libvirt-qemu';
  if (closed.length > 0 && qemuUser !== 'root') {
    const detail = `${place}: guests run as ${qemuUser}, who cannot enter ${closed.reverse().join(', ')}.`;
    return check(false, detail, `chmod a+x ${quote(closed)}`);
  }
  const [blocks = 0, all = 0, size = 0] = (found.get('free') ?? '').split(' ').map(Number);
  const gib = (count: number): string => formatGib(count * size);
  const shares = kind === 'directory' && found.get('reflink') === 'yes' ? ', clones share its blocks' : '';
  const layered = kind === 'directory' && found.get('reflink') === 'no' ? ', clones are qcow2 overlays' : '';
  return check(true, `${kind} at ${place}${shares}${layered}: ${gib(blocks)} of ${gib(all)} free`);
}
