import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { guestLane, madeImage, newStorageFolder, runBuild, tinyImage, workerHost } from '../stack/flow.ts';
import { type DiskKind, guestDisk, inSandbox, inventory, stackFolder } from '../stack/support.ts';
import { openPool, type ZfsPool } from '../stack/zfs-pool.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { SEED } from '../support/seed-user-data.ts';

/** Timeout for an image build and a build on that image: two boots, one after the other. */
const TEST_TIMEOUT_MS = 1_800_000;

const DISKS = ['tiny', 'bookworm', 'trixie'] as const satisfies readonly DiskKind[];
const STORAGES = ['btrfs', 'zfs', 'directory'] as const;

/** Prints what the seed's user-data configures in a guest. */
const LOOK = `cat /root/made /root/ran; hostname
grep "^127.0.1.1 vm" /etc/hosts
perl -e '$has = (getpwnam "root")[1]; print "password ", crypt("r00tme", $has) eq $has ? "set" : "not set", "\\n"'
sshd -T | grep -i ^passwordauthentication`;

/** Runs each disk on each storage. Started manually, since it takes half an hour. */
inSandbox(import.meta.url, { limitMs: 7_200_000, disks: [...DISKS] }, () => {
  let red: TestRed;
  let pool: ZfsPool;
  before(async () => {
    pool = await openPool(8 * 2 ** 30);
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    await pool?.close();
  });

  const placeOn = {
    btrfs: newStorageFolder,
    zfs: () => pool.place,
    directory: () => mkdtempSync(join(stackFolder!, 'plain-')),
  };

  for (const storage of STORAGES)
    describe(`an image from a URL, one built from it by a script, and a build on that one, on ${storage}`, () => {
      for (const disk of DISKS)
        test(disk, { timeout: TEST_TIMEOUT_MS }, async (t) => {
          const path = placeOn[storage]();
          const memory = disk === 'tiny' ? '256' : '1024';
          const before_ = inventory();
          await red.deploy(
            guestLane({
              script: disk === 'tiny' ? 'cat /root/made; hostname' : LOOK,
              nodes: [
                workerHost({ storage, path }),
                tinyImage({ name: disk, url: `file://${guestDisk(disk)}` }),
                madeImage(
                  // The image must include what cloud-init does late.
                  { init: `echo made by a script >/root/made${disk === 'tiny' ? '' : '; cat /root/ran'}` },
                  { memory, timeout: '20', userData: `${SEED}runcmd: [echo ran >/root/ran]\n` },
                ),
              ],
              clone: { image: 'vm-image2' },
              metadata: disk === 'tiny' ? {} : { userData: SEED },
              boot: { memory, timeout: '900' },
              exec: { user: 'root' },
            }),
          );
          const began = performance.now();
          const { result, console, fault } = await runBuild(red, undefined, TEST_TIMEOUT_MS);
          t.diagnostic(`${Math.round((performance.now() - began) / 1000)} s`);
          assert.equal(result, 'SUCCESS', `${fault?.message}\n${console}`);
          assert.match(console, /\| made by a script$/m);
          assert.match(console, /\| vm$/m);
          if (disk !== 'tiny')
            for (const line of [/ran/, /127\.0\.1\.1 vm.*/, /password set/, /passwordauthentication yes/i])
              assert.match(console, new RegExp(`\\| ${line.source}$`, line.flags.includes('i') ? 'im' : 'm'));
          const { subvolumes: _, ...left } = inventory();
          const { subvolumes: _before, ...was } = before_;
          assert.deepEqual(left, was, 'nothing is left');
          const folder = storage === 'zfs' ? pool.root : path;
          assert.deepEqual(
            readdirSync(folder).filter((name) => name.startsWith('recheck-')),
            [],
          );
        });
    });
});
