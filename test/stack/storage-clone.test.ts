import assert from 'node:assert/strict';
import { mkdtemp, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { CiError } from '../../lib/errors/ci-error.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import type { ImageSpec, Storage } from '../../lib/worker/types.ts';
import { mountFileSystem, type TestFileSystem } from './storage-place.ts';

const within = () => ({ signal: AbortSignal.timeout(180_000) });
const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 1 };
const making = { memory: 256, vcpus: 1, networks: [], userData: '', authorizedKeys: '', timeout: 60_000 };

const code = (wanted: string) => (error: unknown) => {
  assert(error instanceof CiError, String(error));
  assert.equal(error.code, wanted, error.message);
  return true;
};

/** The command that creates a clone. */
const CLONE_COMMAND = { btrfs: 'btrfs', zfs: 'zfs', directory: 'qemu-img' };

/** Returns a storage whose next call times out for its caller while its command is still running on the host. */
async function hangingStorage(
  kind: keyof typeof CLONE_COMMAND,
  place: TestFileSystem,
): Promise<{ storage: Storage; goOn(): Promise<void> }> {
  const dir = await mkdtemp(`${place.root}-slow-`);
  const command = CLONE_COMMAND[kind];
  const text = `#!/bin/sh
case $1 in subvolume | clone | create)
  : >'${dir}/began'
  until [ -e '${dir}/go' ]; do sleep 0.05; done ;;
esac
PATH=\${PATH#*:}
exec ${command} "$@"
`;
  await writeFile(join(dir, command), text, { mode: 0o755 });
  let running: Promise<unknown> | undefined;
  const run: Host['run'] = async (argv) => {
    running = place.host.run(['env', `PATH=${dir}:${process.env['PATH']}`, ...argv]);
    await place.sh(`until [ -e '${dir}/began' ]; do sleep 0.05; done`);
    throw new CiError({
      code: 'ssh/command-timeout',
      blame: 'worker',
      isInterruption: true,
      message: 'It was not done in time.',
    });
  };
  return {
    storage: hostStorage({ kind, place: place.place, host: async () => ({ ...place.host, run }) }),
    async goOn() {
      await writeFile(join(dir, 'go'), '');
      await running;
    },
  };
}

for (const kind of ['btrfs', 'zfs', 'directory'] as const) {
  describe(`storage ${kind}`, () => {
    let place: TestFileSystem;
    let storage: Storage;
    let base: ImageSpec;
    let child: ImageSpec;

    before(async () => {
      place = await mountFileSystem(kind);
      storage = hostStorage({ kind, place: place.place, host: async () => place.host });
      const source = `${place.root}-source`;
      await place.sh(`mkdir '${source}'
        qemu-img create -q -f qcow2 '${source}/vda.qcow2' 1G
        qemu-io -f qcow2 -c 'write -q -P 1 0 1M' '${source}/vda.qcow2'
        truncate -s 1M '${source}/vdb.raw'; echo notes >'${source}/notes.txt'`);
      base = { name: 'base', key: 'k1', source: { kind: 'directory', path: source }, loginUser: 'root' };
      child = {
        name: 'child',
        key: 'k2',
        source: { kind: 'parent', parent: base, scripts: [], making },
        loginUser: 'root',
      };
    });
    after(() => place.close());

    const pattern = async (disk: string) =>
      place.sh(
        `for p in 1 2 3; do qemu-io -r -f qcow2 -c "read -q -P $p 0 1M" '${disk}' >/dev/null && echo $p; done; :`,
      );

    /** Lists everything named slow, except for the empty mount points that zfs leaves behind. */
    const listSlow = async () => place.sh(`find '${place.root}' -name '*slow*' ! '(' -type d -empty ')'`);

    test('an image is built once, and writing to a clone does not change it', async () => {
      assert.equal(await storage.has(base, within()), false);
      await assert.rejects(storage.clone(base, 'early', owner, within()), code('storage/no-image'));
      await Promise.all([storage.make(base, within()), storage.make(base, within())]);
      assert.equal(await storage.has(base, within()), true);
      assert.equal(await place.sh(`ls '${place.root}/base@k1'`), 'vda.qcow2\nvdb.raw');

      const clone = await storage.clone(base, 'c1', owner, within());
      assert.equal(clone.path, `${place.root}/c1`);
      assert.deepEqual(
        clone.disks.map(({ name }) => name),
        ['vda', 'vdb'],
      );
      const disk = clone.disks[0]!;
      assert.equal(disk.format, 'qcow2');
      assert.equal(await pattern(disk.path), '1');
      await place.sh(`qemu-io -f qcow2 -c 'write -q -P 2 0 1M' '${disk.path}'`);
      assert.equal(await pattern(`${place.root}/base@k1/vda.qcow2`), '1');

      // The same call again returns the same clone, unchanged.
      assert.deepEqual(await storage.clone(base, 'c1', owner, within()), clone);
      assert.equal(await pattern(disk.path), '2');
      await assert.rejects(
        storage.clone(base, 'c1', { ...owner, build: 'b2' }, within()),
        code('storage/foreign-clone'),
      );
      assert.deepEqual(await storage.list(within()), [{ name: 'c1', owner }]);
      await storage.remove('c1', within());
      await storage.remove('c1', within());
      assert.deepEqual(await storage.list(within()), []);
      assert.equal(await place.sh(`ls '${place.root}'`), 'base@k1');
    });

    test('a manually created folder or dataset is neither used nor removed', async () => {
      await place.sh(kind === 'zfs' ? `zfs create '${place.place}/mine'` : `mkdir '${place.root}/mine'`);
      await assert.rejects(storage.clone(base, 'mine', owner, within()), code('storage/name-taken'));
      await storage.remove('mine', within());
      assert.equal(await place.sh(`ls -d '${place.root}/mine'`), `${place.root}/mine`);
      await place.sh(
        kind === 'zfs' ? `until zfs destroy '${place.place}/mine'; do sleep 0.2; done` : `rmdir '${place.root}/mine'`,
      );
    });

    test('an interrupted clone is listed, completed by the same build, and removed', async () => {
      const record = JSON.stringify({ ...owner, image: 'base@k1' });
      await place.sh(`printf '%s\\n' '${record}' >'${place.root}/.recheck/cut'`);
      assert.deepEqual(await storage.list(within()), [{ name: 'cut', owner }]);
      assert.equal((await storage.clone(base, 'cut', owner, within())).disks.length, 2);
      await storage.remove('cut', within());
      await place.sh(`printf '%s\\n' '${record}' >'${place.root}/.recheck/cut'`);
      await storage.remove('cut', within());
      assert.deepEqual(await storage.list(within()), []);
    });

    test('a draft is a clone of the parent, and invisible until it is adopted', async () => {
      const first = await storage.draft(child, within());
      await place.sh(
        `qemu-io -f qcow2 -c 'write -q -P 3 0 1M' '${first.disks[0]!.path}'; echo x >'${first.path}/console.log'`,
      );
      assert.equal(await storage.has(child, within()), false);
      await assert.rejects(storage.clone(child, 'c2', owner, within()), code('storage/no-image'));

      // A second attempt starts from the parent again.
      const draft = await storage.draft(child, within());
      assert.equal(await pattern(draft.disks[0]!.path), '1');
      await place.sh(
        `qemu-io -f qcow2 -c 'write -q -P 2 0 1M' '${draft.disks[0]!.path}'; echo x >'${draft.path}/console.log'`,
      );
      await storage.adopt(child, within());
      assert.equal(await storage.has(child, within()), true);
      const { disks } = await storage.clone(child, 'c2', owner, within());
      assert.equal(await pattern(disks[0]!.path), '2');
      assert.equal(await place.sh(`ls '${place.root}/child@k2'`), await place.sh(`ls '${place.root}/c2'`));
      assert.doesNotMatch(await place.sh(`ls '${place.root}/child@k2'`), /console/);
      assert.equal(await pattern(`${place.root}/base@k1/vda.qcow2`), '1');
      await storage.discard(child, within());
      assert.equal(await storage.has(child, within()), true);
    });

    test('a clone or draft that is still being created when its caller times out can be removed', async () => {
      const cases: [make: (s: Storage) => Promise<unknown>, remove: () => Promise<void>][] = [
        [(s) => s.clone(base, 'slow', owner, within()), () => storage.remove('slow', within())],
        [(s) => s.draft(slowChild, within()), () => storage.discard(slowChild, within())],
      ];
      const slowChild = { ...child, key: 'slow' };
      for (const [make, remove] of cases) {
        const slow = await hangingStorage(kind, place);
        await assert.rejects(make(slow.storage), code('ssh/command-timeout'));
        const removed = remove();
        // A removal that did not wait would be finished by now.
        await Promise.race([removed, sleep(1_000)]);
        await slow.goOn();
        await removed;
        assert.equal(await listSlow(), '', 'no clone, draft, record or lock is left');
        if (kind === 'zfs') assert.doesNotMatch(await place.sh('zfs list -H -o name'), /slow/);
      }
    });

    test('a clone is removed if its record is deleted while it is being created', async () => {
      const slow = await hangingStorage(kind, place);
      await assert.rejects(slow.storage.clone(base, 'slow', owner, within()), code('ssh/command-timeout'));
      await place.sh(`rm '${place.root}/.recheck/slow'`);
      await slow.goOn();
      assert.equal(await listSlow(), '');
    });

    test('unused images are collected, except for parents of clones and of kept images', async () => {
      const half = { ...child, key: 'half' };
      await storage.draft(half, within());
      assert.deepEqual(await storage.collect([], within()), []);
      const again = hostStorage({ kind, place: place.place, host: async () => place.host });
      assert.deepEqual(await again.collect([child], within()), ['child@half']);
      assert.deepEqual(await again.collect([], within()), []);
      await storage.remove('c2', within());
      assert.deepEqual(await again.collect([child], within()), []);
      assert.deepEqual(await again.collect([base], within()), ['child@k2']);
      assert.equal(await storage.has(base, within()), true);
    });

    test('a manually deleted image is reported missing, and built again', async () => {
      await place.sh(
        kind === 'btrfs'
          ? `btrfs subvolume delete '${place.root}/base@k1'`
          : kind === 'zfs'
            ? // zfs-fuse keeps a dataset busy for a moment after unmounting it.
              `for n in $(seq 50); do zfs destroy -r '${place.place}/base:k1' && exit; sleep 0.2; done; exit 1`
            : `rm -r '${place.root}/base@k1'`,
      );
      assert.equal(await storage.has(base, within()), false);
      await assert.rejects(storage.clone(base, 'c3', owner, within()), code('storage/no-image'));
      await assert.rejects(storage.draft(child, within()), code('storage/no-image'));
      await storage.make(base, within());
      assert.equal(await storage.has(base, within()), true);
    });

    test('a full disk is reported as DISK_FULL', async () => {
      await place.sh(
        `truncate -s 0 '${place.root}/fill'; dd if=/dev/urandom of='${place.root}/fill' bs=1M 2>/dev/null || :; sync`,
      );
      const many = async () => {
        for (let n = 0; n < 2000; n += 1) await storage.clone(base, `full${n}`, owner, within());
      };
      try {
        // Snapshots are so small that they may still fit; a copy of data does not.
        const source = { kind: 'directory' as const, path: `${place.root}-big` };
        await place.sh(
          `mkdir '${source.path}'; dd if=/dev/urandom of='${source.path}/vda.raw' bs=1M count=80 2>/dev/null`,
        );
        const big = { ...base, name: 'big', source };
        await assert.rejects(storage.make(big, within()), (error: unknown) => {
          assert(error instanceof CiError);
          assert.equal(error.result, 'DISK_FULL', error.message);
          return true;
        });
        if (kind === 'directory')
          await assert.rejects(many(), (error: unknown) => (error as CiError).result === 'DISK_FULL');
        // Clones can be removed although nothing can be written.
        for (const { name } of await storage.list(within())) await storage.remove(name, within());
        assert.deepEqual(await storage.list(within()), []);
      } finally {
        await place.sh(`rm '${place.root}/fill'`);
      }
    });
  });
}

test('an error names what is missing on the worker and the command that fixes it', async () => {
  const place = await mountFileSystem('directory');
  try {
    const host = async () => place.host;
    const missing = hostStorage({ kind: 'btrfs', place: '/nowhere/ci', host });
    await assert.rejects(missing.list(within()), /btrfs subvolume create \/nowhere\/ci/);
    const base: ImageSpec = { name: 'b', key: 'k', source: { kind: 'directory', path: '/' }, loginUser: 'root' };
    const wrong = hostStorage({ kind: 'btrfs', place: place.place, host });
    await assert.rejects(wrong.make(base, within()), code('storage/wrong-file-system'));
    await assert.rejects(hostStorage({ kind: 'zfs', place: 'no/pool', host }).list(within()), code('storage/no-place'));
    assert.throws(() => hostStorage({ kind: 'btrfs', place: '../x', host }), code('storage/bad-place'));
  } finally {
    await place.close();
  }
});
