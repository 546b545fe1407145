import assert from 'node:assert/strict';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { startRed, type TestRed } from '../support/red.ts';
import { BUILD_TIME, guestLane, madeImage, runBuild, tinyImage, workerHost } from './flow.ts';
import { inSandbox, inventory, stackFolder } from './support.ts';
import { openPool, type ZfsPool } from './zfs-pool.ts';

inSandbox(import.meta.url, { limit: 300_000, disks: ['tiny'] }, () => {
  let red: TestRed;
  let pool: ZfsPool;

  before(async () => {
    pool = await openPool('zfs', 2 ** 30);
    pool.zfs('create', `${pool.name}/recheck`);
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    await pool.close();
  });

  test('on ZFS: an image by URL and one made of it, a guest of its clone; nothing but the images is left', async () => {
    const place = `${pool.name}/recheck`;
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
    const { result, console, fault, results } = await runBuild(red, undefined, 2 * BUILD_TIME);
    assert.equal(result, 'SUCCESS', `${fault?.message}\n${JSON.stringify(results)}`);
    assert.match(console, /\| made by a script$/m);
    assert.match(console, /\| vm$/m);
    assert.deepEqual(inventory(), atFirst);
    const datasets = pool
      .zfs('list', '-H', '-o', 'name', '-r', place)
      .map((name) => name.replace(/:[0-9a-f]{12}$/, ''));
    assert.deepEqual(datasets, [place, `${place}/base`, `${place}/made`]);
    const folders = readdirSync(join(stackFolder!, 'zfs', 'recheck')).filter((name) => !name.startsWith('.'));
    assert.deepEqual(folders.map((name) => name.replace(/@.*/, '')).sort(), ['base', 'made']);
  });
});
