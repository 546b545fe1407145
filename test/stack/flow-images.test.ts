import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { handMade, run } from '../support/build-runs.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';
import {
  BUILD_TIMEOUT_MS,
  guestLane,
  madeImage,
  newStorageFolder,
  outcomeOf,
  runBuild,
  tinyImage,
  workerHost,
} from './flow.ts';
import { forwardPort, SANDBOX_ADDRESS } from './servers.ts';
import { inSandbox, inventory } from './support.ts';

inSandbox(import.meta.url, { limitMs: 600_000, disks: ['tiny'] }, () => {
  let red: TestRed;
  let place: string;
  let atFirst: ReturnType<typeof inventory>;

  before(async () => {
    red = await startRed();
    place = newStorageFolder();
    atFirst = inventory();
  });
  after(() => red?.close());

  /** Deploys a lane on an image whose only script writes a version. */
  const deploy = (version: string, lane: { script: string; guests?: string; slots?: string }) =>
    red.deploy(
      guestLane({
        ...lane,
        nodes: [
          workerHost({ path: place, slots: lane.slots ?? '2' }),
          tinyImage({ name: 'base' }),
          madeImage({ init: `echo ${version} > /root/version` }),
        ],
        clone: { image: 'vm-image2' },
      }),
    );
  const images = (name: string): string[] => readdirSync(place).filter((one) => one.startsWith(`${name}@`));
  /** Counts the image builds that clone-image reported after its first `from` statuses. */
  const countImageBuilds = (from: number): number => {
    const reports = red.statuses
      .slice(from)
      .filter(({ id, text }) => id.startsWith('clone-') && /image booting/.test(text));
    return new Set(reports.map(({ text }) => text.split(' ')[0])).size;
  };
  const assertNothingLeft = () => {
    assert.deepEqual({ ...inventory(), subvolumes: [] }, { ...atFirst, subvolumes: [] });
    const left = readdirSync(place).filter((one) => !/^\.|^(base|made)@/.test(one));
    assert.deepEqual(left, []);
  };

  test('one slot, no image yet, jobs with two guests, three patchsets at once: all finish, and the image is built once', async () => {
    await deploy('one', { script: 'cat /root/version', guests: 'slave master', slots: '1' });
    const ended = await Promise.all(Array.from({ length: 3 }, () => run(red, handMade(), 3 * BUILD_TIMEOUT_MS)));
    for (const one of ended) {
      const { result, console, fault } = await outcomeOf(red, one);
      assert.equal(result, 'SUCCESS', fault?.message);
      assert.equal(console.match(/ one$/gm)?.length, 2, console);
    }
    assert.equal(images('made').length, 1);
    assert.equal(countImageBuilds(0), 1);
    assert.ok(
      red.statuses.some(({ text }) => /1\/1 slots/.test(text)),
      'a waiting build shows the reason',
    );
    assertNothingLeft();
  });

  test('a changed script builds another image, while a running build keeps its own', async () => {
    // Nothing listens on this port until the older build may continue.
    const go = await forwardPort(9);
    await go.close();
    const wait = `until (exec 3<>/dev/tcp/${SANDBOX_ADDRESS}/${go.port}) 2>/dev/null; do sleep 0.2; done; cat /root/version`;
    await deploy('one', { script: wait });
    const began = red.events.length;
    const older = run(red, handMade(), 2 * BUILD_TIMEOUT_MS);
    const works = () =>
      red.events.slice(began).some(({ kind, node }) => kind === 'step-started' && node === 'ssh-exec1');
    await waitFor('its script runs', works, BUILD_TIMEOUT_MS);
    await deploy('two', { script: 'cat /root/version' });
    const newer = await runBuild(red);
    assert.match(newer.console, / two$/m);
    assert.equal(images('made').length, 2);
    const open = await forwardPort(9, go.port);
    try {
      const { result, console } = await outcomeOf(red, await older);
      assert.equal(result, 'SUCCESS');
      assert.match(console, / one$/m);
    } finally {
      await open.close();
    }
    assertNothingLeft();
  });

  test('a manually deleted image is built again', async () => {
    for (const image of images('made')) execFileSync('btrfs', ['-q', 'subvolume', 'delete', join(place, image)]);
    const from = red.statuses.length;
    const { result, console, fault } = await runBuild(red);
    assert.equal(result, 'SUCCESS', fault?.message);
    assert.match(console, / two$/m);
    assert.equal(countImageBuilds(from), 1);
    assert.ok(existsSync(join(place, images('made')[0]!, 'vda.qcow2')));
    assertNothingLeft();
  });
});
