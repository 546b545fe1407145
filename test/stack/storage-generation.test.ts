import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CiError } from '../../lib/errors/ci-error.ts';
import type { ImageSpec } from '../../lib/worker/types.ts';
import {
  callOptions,
  mountFileSystem,
  owner,
  retryWhileBusy,
  storageOn,
  type TestFileSystem,
} from './storage-place.ts';

const isMissing = (error: unknown): boolean => error instanceof CiError && error.code === 'storage/no-image';

for (const kind of ['btrfs', 'zfs', 'directory'] as const) {
  describe(`generations of images on ${kind}`, () => {
    let place: TestFileSystem;
    let on: Awaited<ReturnType<typeof storageOn>>;

    before(async () => {
      place = await mountFileSystem(kind);
      on = await storageOn(kind, place);
      await on.storage.make(on.base, callOptions());
      await on.makeChild(2);
    });
    after(() => place.close());

    const clone = async (image: ImageSpec, name: string, more: { old?: boolean } = {}): Promise<string> =>
      (await on.storage.clone(image, name, owner, { ...callOptions(), ...more })).disks[0]!.path;
    const remove = async (...names: string[]) => {
      for (const name of names) await on.storage.remove(name, callOptions());
    };
    /** Deletes the base as an operator would, to have it built again. */
    const deleteBase = () =>
      place.sh(
        {
          btrfs: `btrfs -q subvolume delete '${place.root}/base@k1'`,
          directory: `rm -rf '${place.root}/base@k1'`,
          // zfs refuses to destroy a dataset that has clones, but it can be unmounted.
          zfs: `set=$(zfs list -H -o name '${place.root}/base@k1')\n${retryWhileBusy('zfs set mountpoint=none "$set"')}`,
        }[kind],
      );
    const isThere = (image: ImageSpec) => on.storage.has(image, callOptions());

    test('if a base was rebuilt from newer content, its child is not used but built again', async () => {
      // Clones of the old images, which builds keep using.
      const ofBase = await clone(on.base, 'of-base');
      const ofChild = await clone(on.child, 'of-child');
      await place.sh(`qemu-io -f qcow2 -c 'write -q -P 2 512M 1M' '${ofChild}'`);
      await deleteBase();
      assert.equal(await isThere(on.child), false, 'its base is gone');
      await assert.rejects(clone(on.child, 'late'), isMissing);
      await on.write(on.source, 3);
      await on.storage.make(on.base, callOptions());
      assert.equal(await isThere(on.child), false, 'its base is another one');
      await assert.rejects(clone(on.child, 'late'), isMissing);

      const draft = await on.storage.draft(on.child, callOptions());
      assert.equal(await on.read(draft.disks[0]!.path), '3', 'the draft is a clone of the new base');
      await on.storage.adopt(on.child, callOptions());
      assert.equal(await on.read(await clone(on.child, 'new')), '3');

      // Clones in use do not change, even if a disk is opened again.
      assert.equal(await on.read(ofBase), '1');
      assert.equal(await on.read(ofChild), '2');
      await place.sh(`qemu-io -r -f qcow2 -c 'read -q -P 2 512M 1M' '${ofChild}'; qemu-img check -q '${ofChild}'`);
      await remove('of-base', 'of-child', 'new');
      await on.storage.collect([on.child], callOptions());
      const shown = kind === 'zfs' ? `zfs list -H -o name -r '${place.place}'` : `ls -A '${place.root}'`;
      assert.doesNotMatch(await place.sh(shown), /old-/);
    });

    test('an image whose source changed is built again; until that succeeds, the old one can be requested', async () => {
      await on.write(on.source, 4);
      assert.equal(await isThere(on.base), false);
      assert.equal(await isThere(on.child), false);
      await assert.rejects(clone(on.base, 'late'), isMissing);
      assert.equal(await on.read(await clone(on.base, 'old-base', { old: true })), '3');
      assert.equal(await on.read(await clone(on.child, 'old-child', { old: true })), '3');
      await on.storage.make(on.base, callOptions());
      assert.equal(await on.read(await clone(on.base, 'new')), '4');
      assert.equal(await isThere(on.child), false);
      await assert.rejects(clone(on.child, 'late', { old: true }), isMissing);
      await on.makeChild(4);
      assert.equal(await on.read(`${place.root}/old-child/vda.qcow2`), '3');
      await remove('old-base', 'old-child', 'new');
      // A missing source does not invalidate the image, since it could not be built again.
      await place.sh(`mv '${on.source}' '${place.root}-away'`);
      assert.equal(await isThere(on.child), true);
      await place.sh(`mv '${place.root}-away' '${on.source}'`);
    });

    if (kind !== 'zfs')
      test('a base that was edited in place counts as a new generation', async () => {
        assert.equal(await isThere(on.child), true);
        await place.sh(`qemu-img resize -q -f qcow2 '${place.root}/base@k1/vda.qcow2' 2G`);
        assert.equal(await isThere(on.base), true);
        assert.equal(await isThere(on.child), false);
        await on.makeChild(2);
        await place.sh(`touch -d @1700000000 '${place.root}/base@k1/vda.qcow2'`);
        assert.equal(await isThere(on.child), false);
        await on.makeChild(2);
        assert.equal(await isThere(on.child), true);
      });

    test('images of the previous version are still used, but an outdated child of theirs is not', async () => {
      const forget = `for image in '${place.root}'/*@*/.image; do sed -i '2,$ d' "$image"; done`;
      if (kind === 'directory')
        await place.sh(`rm -r '${place.root}/child@k2/.below'
          qemu-img rebase -u -f qcow2 -F qcow2 -b '${place.root}/base@k1/vda.qcow2' '${place.root}/child@k2/vda.qcow2'`);
      if (kind === 'zfs') await place.sh(`zfs inherit recheck:parent '${place.place}/child:k2'`);
      await place.sh(forget);
      assert.equal(await isThere(on.base), true);
      assert.equal(await isThere(on.child), true);
      const before = await on.read(`${place.root}/child@k2/vda.qcow2`);
      assert.equal(await on.read(await clone(on.child, 'c1')), before);
      await remove('c1');
      await deleteBase();
      await on.storage.make(on.base, callOptions());
      assert.equal(await isThere(on.child), false);
      await on.makeChild(2);
      assert.equal(await isThere(on.child), true);
    });
  });
}
