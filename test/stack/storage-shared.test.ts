import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { CiError } from '../../lib/errors/ci-error.ts';
import { checkHost } from '../../lib/libvirt/check.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import {
  callOptions,
  mountFileSystem,
  owner,
  retryWhileBusy,
  storageOn,
  type TestFileSystem,
} from './storage-place.ts';

/** Returns the command that the error of a failed removal suggests. */
async function commandOf(removal: Promise<unknown>): Promise<string> {
  const error = await removal.then(
    () => assert.fail('it was removed'),
    (reason: unknown) => reason,
  );
  assert(error instanceof CiError, String(error));
  assert.equal(error.code, 'storage/not-removed', error.message);
  return /remove it (?:there )?as root: (.*)/.exec(error.message)![1]!;
}

for (const kind of ['btrfs', 'zfs', 'directory'] as const) {
  describe(`a ${kind} storage that other tools also use`, () => {
    let place: TestFileSystem;
    let on: Awaited<ReturnType<typeof storageOn>>;

    before(async () => {
      place = await mountFileSystem(kind);
      on = await storageOn(kind, place);
      await on.storage.make(on.base, callOptions());
    });
    after(() => place.close());

    /** Returns what "Check this host" lists as left over. */
    async function listLeftovers(): Promise<string[]> {
      const settings = {
        controller: owner.controller,
        uri: 'test:///nowhere',
        type: 'qemu' as const,
        storage: { kind, place: place.place },
        limits: { memory: 1, load: 1_000 },
        remote: false,
      };
      const checks = await checkHost(place.host, settings, callOptions().signal);
      return checks.filter(({ what }) => what === 'leftovers').map(({ detail, fix }) => `${detail} | ${fix}`);
    }
    /** Lists everything except for the image and the tests' own files. */
    const listLeft = () =>
      kind === 'zfs'
        ? place.sh(`zfs list -H -o name -t all -r '${place.place}' | grep -v 'base:k1' | tail -n +2`)
        : place.sh(`ls -A '${place.root}' | grep -v -e '^base@k1' -e '^.recheck' -e '^theirs' || :`);
    const clone = async (name: string) => (await on.storage.clone(on.base, name, owner, callOptions())).path;

    /** Returns commands that create what a snapshot daemon, a build and an operator may leave in one of our folders. */
    const clutter = (at: string, dataset: string): string =>
      ({
        zfs: `zfs snapshot '${dataset}@autosnap_1'; zfs create '${dataset}/inner'; zfs create '${dataset}/inner/most'
          zfs snapshot -r '${dataset}@autosnap_2'`,
        btrfs: `btrfs -q subvolume create '${at}/one'; btrfs -q subvolume create "${at}/one/t'w o"
          mkdir -p '${at}/.snapshots/1'; btrfs -q subvolume snapshot -r '${at}' '${at}/.snapshots/1/snapshot'
          btrfs -q subvolume snapshot -r '${at}/one' "${at}/one/t'w o/deep"
          touch '${at}/one/fixed'; chattr +i '${at}/one/fixed' '${at}/one'; btrfs property set -ts '${at}/one' ro true`,
        directory: `mkdir -p '${at}/a/b'; touch '${at}/a/b/fixed' '${at}/log'
          chattr +a '${at}/log'; chattr +i '${at}/a/b/fixed' '${at}/a'`,
      })[kind];

    test('everything in a clone is removed with it', async () => {
      const at = await clone('c1');
      await place.sh(clutter(at, `${place.place}/c1`));
      await on.storage.remove('c1', callOptions());
      assert.equal(await listLeft(), '');
      assert.deepEqual(await on.storage.list(callOptions()), []);
    });

    test('everything in a draft or an image is removed with it', async () => {
      const draft = await on.storage.draft(on.child, callOptions());
      await place.sh(clutter(draft.path, `${place.place}/child:k2`));
      await on.storage.discard(on.child, callOptions());
      assert.equal(await listLeft(), '');
      await on.makeChild(2);
      await place.sh(clutter(`${place.root}/child@k2`, `${place.place}/child:k2`));
      assert.deepEqual(await on.storage.collect([on.base], callOptions()), ['child@k2']);
      assert.equal(await listLeft(), '');
    });

    test('file systems mounted in a clone are unmounted, and none of their files are deleted', async () => {
      const at = await clone('c1');
      await place.sh(`mkdir -p '${place.root}-theirs' '${at}/bound' '${at}/a b/deep' && echo precious >'${place.root}-theirs/file'
        ${kind === 'zfs' ? `mkdir '${place.root}/theirs'` : `mkdir '${place.root}/theirs'; echo precious >'${place.root}/theirs/file'`}
        mount -t tmpfs tmpfs '${at}/a b'; mkdir '${at}/a b/deep'; mount --bind '${place.root}-theirs' '${at}/a b/deep'
        mount --bind '${place.root}/theirs' '${at}/bound'`);
      await on.storage.remove('c1', callOptions());
      assert.equal(await listLeft(), kind === 'zfs' ? '' : '');
      assert.equal(await place.sh(`cat '${place.root}-theirs/file'`), 'precious');
      if (kind !== 'zfs') assert.equal(await place.sh(`cat '${place.root}/theirs/file'`), 'precious');
      assert.equal(await place.sh(`grep -c '/c1' /proc/self/mountinfo || :`), '0');
      await place.sh(`rm -r '${place.root}/theirs'`);
    });

    if (kind !== 'zfs')
      test('a busy mount prevents the removal of a clone: the error suggests a command, the check lists it, and the command works', async () => {
        const at = await clone('c1');
        await place.sh(`mkdir '${place.root}/theirs' '${at}/bound'; echo precious >'${place.root}/theirs/file'
          mount --bind '${place.root}/theirs' '${at}/bound'`);
        const user = await place.host.start(['sh', '-c', `cd '${at}/bound' && echo in && exec cat`]);
        await new Promise((resolve) => user.stdout.once('data', resolve));
        const command = await commandOf(on.storage.remove('c1', callOptions()));
        assert.match(command, /^umount -l .*\/c1\/bound && /);
        const [listed, ...more] = await listLeftovers();
        assert.match(listed!, /^Clone c1 is left over.*c1\/bound is mounted in it and in use\. \| umount -l/);
        assert.deepEqual(more, []);
        await place.sh(command);
        user.stdin.end();
        await user.exit;
        assert.equal(await place.sh(`cat '${place.root}/theirs/file'`), 'precious');
        assert.deepEqual(await listLeftovers(), []);
        await on.storage.remove('c1', callOptions());
        assert.deepEqual(await on.storage.list(callOptions()), []);
        assert.equal(await place.sh(`ls -A '${place.root}/.recheck/._stuck'`), '');
        await place.sh(`rm -r '${place.root}/theirs'`);
      });

    if (kind === 'zfs') {
      test('a held snapshot prevents the removal of its clone: the error suggests a command, and the check lists it', async () => {
        await clone('c1');
        const snapshot = `${place.place}/c1@zrepl_1`;
        await place.sh(`zfs snapshot '${snapshot}'; zfs hold TAG '${snapshot}'`);
        const began = Date.now();
        const command = await commandOf(on.storage.remove('c1', callOptions()));
        assert.ok(Date.now() - began < 5_000, 'the removal does not wait for the hold');
        assert.equal(command, `zfs release TAG ${snapshot} && zfs destroy -r ${place.place}/c1`);
        const [listed] = await listLeftovers();
        assert.ok(listed!.endsWith(`c1@zrepl_1 is held. | ${command}`), listed);
        await place.sh(retryWhileBusy(command));
        await on.storage.remove('c1', callOptions());
        assert.deepEqual(await listLeftovers(), []);
      });

      test('somebody else’s clone of our snapshot stays, and prevents the removal until the suggested command is run', async () => {
        await clone('c1');
        await place.sh(`zfs snapshot '${place.place}/c1@autosnap'
          zfs clone '${place.place}/c1@autosnap' '${place.place}/theirs'`);
        const command = await commandOf(on.storage.remove('c1', callOptions()));
        assert.equal(command, `zfs promote ${place.place}/theirs && zfs destroy -r ${place.place}/c1`);
        await place.sh(retryWhileBusy(command));
        await on.storage.remove('c1', callOptions());
        assert.equal(await on.read(`${place.root}/theirs/vda.qcow2`), '1');
        await place.sh(retryWhileBusy(`zfs destroy -r '${place.place}/theirs'`));
      });

      test('our datasets are marked so that snapshot daemons skip them', async () => {
        await clone('c1');
        const marked = `zfs get -H -o value com.sun:auto-snapshot '${place.place}/c1' '${place.place}/base:k1'`;
        assert.equal(await place.sh(marked), 'false\nfalse');
        await on.storage.remove('c1', callOptions());
      });
    }

    if (kind === 'btrfs') {
      test('a default subvolume and an active swap file prevent the removal of a clone: the error suggests a command', async () => {
        const at = await clone('c1');
        await place.sh(`btrfs subvolume set-default '${at}'`);
        const byDefault = await commandOf(on.storage.remove('c1', callOptions()));
        assert.match(byDefault, /^btrfs subvolume set-default 5 \S+ && btrfs subvolume delete \S+$/);
        await place.sh(byDefault);
        await on.storage.remove('c1', callOptions());
        const again = await clone('c1');
        await place.sh(`cd '${again}'; truncate -s 0 swap; chattr +C swap; chmod 600 swap
          dd if=/dev/zero of=swap bs=1M count=8 2>/dev/null; mkswap swap >/dev/null; swapon swap`);
        const swapping = await commandOf(on.storage.remove('c1', callOptions()));
        assert.match(swapping, /^swapoff \S+\/c1\/swap && btrfs subvolume delete \S+$/);
        await place.sh(swapping);
        await on.storage.remove('c1', callOptions());
        assert.equal(await listLeft(), '');
      });

      test('subvolumes in a clone of a directory storage on btrfs are removed with it', async () => {
        await place.sh(`mkdir '${place.root}/theirs'`);
        const folder = `${place.root}/theirs`;
        const plain = hostStorage({ kind: 'directory', place: folder, host: async () => place.host });
        await plain.make(on.base, callOptions());
        const { path } = await plain.clone(on.base, 'c1', owner, callOptions());
        await place.sh(clutter(path, '').replace(/.*btrfs -q subvolume snapshot -r '[^']*\/c1' .*\n/, ''));
        await plain.remove('c1', callOptions());
        assert.equal(await place.sh(`ls '${folder}'`), 'base@k1');
        await place.sh(`rm -r '${folder}'`);
      });
    }

    test('a copy or snapshot of an image under another name is not ours and is kept', async () => {
      const copy = {
        btrfs: `btrfs -q subvolume snapshot -r '${place.root}/base@k1' '${place.root}/base@k1.20260101'`,
        directory: `cp -a '${place.root}/base@k1' '${place.root}/base@backup'`,
        zfs: `zfs snapshot '${place.place}/base:k1@daily'
          zfs clone -o mountpoint='${place.root}/base@copy' '${place.place}/base:k1@daily' '${place.place}/base:copy'`,
      }[kind];
      await place.sh(copy);
      if (kind === 'zfs') {
        const command = await commandOf(on.storage.collect([], callOptions()));
        assert.equal(command, `zfs promote ${place.place}/base:copy && zfs destroy -r ${place.place}/base:k1`);
      } else {
        assert.deepEqual(await on.storage.collect([], callOptions()), ['base@k1']);
      }
      const theirs = { btrfs: 'base@k1.20260101', directory: 'base@backup', zfs: 'base@copy' }[kind];
      assert.equal(await on.read(`${place.root}/${theirs}/vda.qcow2`), '1');
    });
  });
}
