import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { startRed, type TestRed } from '../support/red.ts';
import { BUILD_TIMEOUT_MS, guestLane, madeImage, runBuild, tinyImage, workerHost } from './flow.ts';
import { inSandbox, inventory } from './support.ts';
import { openPool, type ZfsPool } from './zfs-pool.ts';

inSandbox(import.meta.url, { limitMs: 300_000, disks: ['tiny'] }, () => {
  let red: TestRed;
  let pool: ZfsPool;

  before(async () => {
    pool = await openPool(2 ** 30);
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    await pool?.close();
  });

  test('on ZFS: an image from a URL, one built from it, and a guest of its clone; only the images are left', async () => {
    const { place, root, zfs } = pool;
    await red.deploy(
      guestLane({
        script: 'cat /root/made; hostname',
        nodes: [
          workerHost({ storage: 'zfs', path: place }),
          tinyImage({ name: 'base' }),
          madeImage({ init: 'echo made by a script > /root/made' }),
        ],
        clone: { image: 'vm-image2' },
      }),
    );
    const atFirst = inventory();
    const { result, console, fault, results } = await runBuild(red, undefined, 2 * BUILD_TIMEOUT_MS);
    assert.equal(result, 'SUCCESS', `${fault?.message}\n${JSON.stringify(results)}`);
    assert.match(console, /\| made by a script$/m);
    assert.match(console, /\| vm$/m);
    assert.deepEqual(inventory(), atFirst);
    const datasets = zfs('list', '-H', '-o', 'name', '-r', place).map((name) => name.replace(/:[0-9a-f]{12}$/, ''));
    assert.deepEqual(datasets, [place, `${place}/base`, `${place}/made`]);
    const folders = readdirSync(root).filter((name) => !name.startsWith('.'));
    assert.deepEqual(folders.map((name) => name.replace(/@.*/, '')).sort(), ['base', 'made']);
  });
});
