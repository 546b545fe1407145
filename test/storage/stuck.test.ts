import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commandOf, readStuck, reasonOf } from '../../lib/storage/stuck.ts';

/** Returns the reason and the command for a clone of which these lines are printed. */
const told = (...lines: string[]): [reason: string, command: string] => {
  const [one, ...more] = readStuck(lines.join('\n'));
  assert.deepEqual(more, []);
  return [reasonOf(one!), commandOf(one!)];
};
const CLONE = 'stuck\tclone\tc1\t/ci/c1\t';
const ZFS = `${CLONE}pool/c1`;

test('a held snapshot is released, a clone of one is promoted, then the dataset is destroyed', () => {
  assert.deepEqual(told(ZFS, 'said\tdataset is busy', 'hold\tpool/c1@a\tzrepl job', 'clone\tpool/mine'), [
    'its snapshot pool/c1@a is held (zrepl job); pool/mine was cloned from a snapshot of it',
    "zfs release 'zrepl job' pool/c1@a && zfs promote pool/mine && zfs destroy -r pool/c1",
  ]);
});

test('subvolumes are deleted deepest first, after mounts, swap files and protection are removed', () => {
  const nested = ['subvolume\t/ci/c1/a/b', 'subvolume\t/ci/c1'];
  assert.deepEqual(told(CLONE, 'said\tERROR: x.', ...nested), ['ERROR: x', 'btrfs subvolume delete /ci/c1/a/b /ci/c1']);
  assert.equal(
    told(CLONE, 'said\tRead-only file system', ...nested)[1],
    'btrfs property set -f -ts /ci/c1 ro false && btrfs property set -f -ts /ci/c1/a/b ro false && btrfs subvolume delete /ci/c1/a/b /ci/c1',
  );
  assert.equal(
    told(CLONE, 'said\tOperation not permitted', "swap\t/ci/c1/s'w", ...nested)[1],
    "swapoff '/ci/c1/s'\\''w' && btrfs subvolume delete /ci/c1/a/b /ci/c1",
  );
  assert.equal(
    told(CLONE, 'said\tnot deleting default subvolume id 7', 'subvolume\t/ci/c1')[1],
    'btrfs subvolume set-default 5 /ci/c1 && btrfs subvolume delete /ci/c1',
  );
  assert.equal(
    told(CLONE, 'said\ttarget is busy', 'mount\t/ci/c1/m', 'subvolume\t/ci/c1/n')[1],
    'umount -l /ci/c1/m && btrfs subvolume delete /ci/c1/n && rm -rf --one-file-system /ci/c1',
  );
});

test('an immutable file in a folder is made mutable, with chattr installed if it is missing', () => {
  const lines = [CLONE, 'said\trm: cannot remove: Operation not permitted'];
  assert.equal(told(...lines)[1], 'chattr -R -i -a /ci/c1 && rm -rf --one-file-system /ci/c1');
  assert.match(told(...lines, 'no-chattr')[1], /^apt-get install e2fsprogs && chattr /);
});

test('several are parsed one by one, and lines before the first are left out', () => {
  const found = readStuck(`mount\t/x\nrecord c1:{}\n${CLONE}\nsaid\ta\nstuck\tdraft\tb@k\t/ci/.b@k\t\nnoise\n`);
  assert.deepEqual(
    found.map(({ kind, name, path, dataset, mounts }) => ({ kind, name, path, dataset, mounts })),
    [
      { kind: 'clone', name: 'c1', path: '/ci/c1', dataset: undefined, mounts: [] },
      { kind: 'draft', name: 'b@k', path: '/ci/.b@k', dataset: undefined, mounts: [] },
    ],
  );
});
