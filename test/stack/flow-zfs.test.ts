import assert from 'node:assert/strict';
import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, readdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { end } from '../support/child.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { until } from '../support/until.ts';
import { BUILD_TIME, guestLane, madeImage, runBuild, tinyImage, workerHost } from './flow.ts';
import { inSandbox, inventory, stackFolder } from './support.ts';

const POOL = 'recheckpool';

inSandbox(import.meta.url, { limit: 300_000, disks: ['tiny'] }, () => {
  let red: TestRed;
  let daemon: ChildProcess;

  const works = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;
  const zfs = (...args: string[]): string[] =>
    execFileSync('zfs', args, { encoding: 'utf8' }).split('\n').filter(Boolean).sort();

  before(async () => {
    mkdirSync('/run/zfs', { recursive: true });
    daemon = spawn('setpriv', ['--pdeathsig', 'KILL', 'zfs-fuse', '-n'], { stdio: 'ignore' });
    const disk = join(stackFolder!, 'zfs.img');
    writeFileSync(disk, '');
    truncateSync(disk, 2 ** 30);
    await until('zfs-fuse answers', () => works('zpool', 'list'));
    execFileSync('zpool', ['create', '-m', join(stackFolder!, 'zfs'), POOL, disk], { stdio: 'ignore' });
    zfs('create', `${POOL}/recheck`);
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    // FUSE lets go of it a moment after its last user.
    await until('the pool is gone', () => works('zpool', 'destroy', '-f', POOL));
    await end(daemon, 'SIGTERM');
  });

  test('on ZFS: an image by URL and one made of it, a guest of its clone; nothing but the images is left', async () => {
    const place = `${POOL}/recheck`;
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
    const datasets = zfs('list', '-H', '-o', 'name', '-r', place).map((name) => name.replace(/:[0-9a-f]{12}$/, ''));
    assert.deepEqual(datasets, [place, `${place}/base`, `${place}/made`]);
    const folders = readdirSync(join(stackFolder!, 'zfs', 'recheck')).filter((name) => !name.startsWith('.'));
    assert.deepEqual(folders.map((name) => name.replace(/@.*/, '')).sort(), ['base', 'made']);
  });
});
