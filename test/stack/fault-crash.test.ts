import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { startOpenSsh } from '../support/openssh.ts';
import { startRed } from '../support/red.ts';
import { until } from '../support/until.ts';
import { guestLane, newPlace, runBuild, sshHost, tinyImage, workerHost } from './flow.ts';
import { inSandbox, inventory } from './support.ts';

inSandbox(import.meta.url, { limit: 300_000, disks: ['tiny'] }, () => {
  test('the controller is killed in the middle of a build: the next one ends all that it left', async (t) => {
    const sshd = await startOpenSsh();
    t.after(() => sshd.remove());
    const place = newPlace();
    const lane = guestLane({
      nodes: [sshHost(sshd), workerHost({ host: 'ssh-host1', path: place }), tinyImage()],
      guests: 'slave master',
      script: 'echo now it runs; sleep 300',
      exec: { interpreter: '/bin/bash -e' },
      boot: {
        networks: [
          { source: 'default', mac: '' },
          { source: 'brci%', mac: '' },
        ],
      },
    });
    /** What a build makes on the worker, but the image, which is to stay. */
    const left = (): Record<string, string[]> => {
      const { listeners: _, ...now } = inventory();
      return { ...now, subvolumes: now['subvolumes']!.filter((path) => !path.includes('@')) };
    };
    const before = left();

    const controller = spawn(process.execPath, [join(import.meta.dirname, 'controller.ts')], {
      env: { ...process.env, FLOW: JSON.stringify(lane) },
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    t.after(() => controller.kill('SIGKILL'));
    const [userDir] = (await Promise.race([once(controller.stdout, 'data'), once(controller, 'exit')])) as [Buffer];
    controller.kill('SIGKILL');
    await once(controller, 'exit');
    rmSync(userDir.toString().trim(), { recursive: true });
    const crashed = left();
    assert.equal(crashed['domains']!.length, 2);
    assert.equal(crashed['subvolumes']!.length, 2);
    assert.match(crashed['links']!.join(), /brci/);
    assert.match(crashed['rules']!.join('\n'), /recheck-.*DNAT/);

    const red = await startRed();
    t.after(() => red.close());
    await red.deploy(lane.map((node) => (node.type === 'ssh-exec' ? { ...node, script: 'true' } : node)));
    await until('all is removed', () => JSON.stringify(left()) === JSON.stringify(before), 60_000).catch(() => {});
    assert.deepEqual(left(), before);
    // And the worker is as good as new.
    const { result, fault, console } = await runBuild(red);
    assert.equal(result, 'SUCCESS', `${fault?.message}\n${console}`);
    assert.deepEqual(left(), before);
  });
});
