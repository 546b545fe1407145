import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { localHost } from '../../lib/ssh/local.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import type { ImageSpec } from '../../lib/worker/types.ts';
import { end, endOf } from '../support/child.ts';
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts';
import { type FlowConfig, startRed } from '../support/red.ts';
import { waitFor, waitForEvent } from '../support/wait.ts';
import { guestLane, type LaneSettings, newPlace, runBuild, sshHost, tinyImage, workerHost } from './flow.ts';
import { guestDisk, inSandbox, inventory, stackFolder } from './support.ts';

/** A build that runs until it is ended, on the one worker. */
const lane = (sshd: OpenSsh, place: string, network: string, settings: LaneSettings = {}): FlowConfig[] =>
  guestLane({
    nodes: [sshHost(sshd), workerHost({ host: 'ssh-host1', path: place }), tinyImage()],
    script: 'echo now it runs; sleep 600',
    exec: { interpreter: '/bin/bash -e' },
    ...settings,
    boot: {
      networks: [
        { source: network, mac: '' },
        { source: 'brci%', mac: '' },
      ],
    },
  });

/** Starts a controller of its own and waits until its build's script runs. */
async function startController(t: TestContext, flow: FlowConfig[]) {
  const process_ = spawn(process.execPath, [join(import.meta.dirname, 'controller.ts')], {
    env: { ...process.env, FLOW: JSON.stringify(flow) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => process_.kill('SIGKILL'));
  const [said] = await Promise.race([
    waitForEvent('the controller says its folder', process_.stdout, 'data', 60_000),
    endOf(process_).then(() => Promise.reject(new Error('the controller ended'))),
  ]);
  const userDir = String(said).trim();
  t.after(() => rmSync(userDir, { recursive: true, force: true }));
  return {
    userDir,
    runs: () => process_.exitCode === null && process_.signalCode === null,
    kill: () => end(process_),
  };
}

/** A second libvirt network of the worker, as like the first as can be. */
function addNetwork(name: string): void {
  const first = readFileSync(join(import.meta.dirname, '../../scripts/real-stack/network.xml'), 'utf8');
  const xml = first
    .replace('<name>default<', `<name>${name}<`)
    .replace('virbr0', 'virbr1')
    .replaceAll('192.168.122.', '192.168.123.');
  const file = join(stackFolder!, `${name}.xml`);
  writeFileSync(file, xml);
  execFileSync('virsh', ['-q', 'net-create', file]);
}

/** What builds make on the worker, but the images, which are to stay. */
const left = (): Record<string, string[]> => {
  const { listeners: _, ...now } = inventory();
  return { ...now, subvolumes: now['subvolumes']!.filter((path) => !path.includes('@')) };
};

inSandbox(import.meta.url, { limit: 420_000, disks: ['tiny'] }, () => {
  test('a controller is killed in the middle of a build: it ends all that it left when it is back, and nothing of another', async (t) => {
    const sshd = await startOpenSsh();
    t.after(() => sshd.remove());
    addNetwork('staging');
    const place = newPlace();

    // Another Recheck, of the same flow but for its path and network: its build runs all the time.
    const other = await startController(t, lane(sshd, newPlace(), 'staging'));
    // And what it should not have there: a clone in our path.
    const storage = hostStorage({ kind: 'btrfs', place, host: async () => localHost('worker host-a') });
    const signal = AbortSignal.timeout(180_000);
    const image: ImageSpec = {
      name: 'tiny',
      key: 'k1',
      source: { kind: 'url', url: `file://${guestDisk('tiny')}` },
      loginUser: 'root',
    };
    await storage.make(image, { signal });
    const owner = { controller: 'c2c2c2c2c2c2', build: 'b1', attempt: 1 };
    await storage.clone(image, 'recheck-b1-1-vm', owner, { signal });
    const before = left();
    assert.equal(before['domains']!.length, 1);
    assert.match(before['links']!.join(), /brci0/);
    assert.match(before['rules']!.join('\n'), /-i virbr1 .*recheck-.*DNAT/);

    const mine = lane(sshd, place, 'default', { guests: 'slave master' });
    const controller = await startController(t, mine);
    await controller.kill();
    const crashed = left();
    const more = (what: string): number => crashed[what]!.length - before[what]!.length;
    for (const [what, lines] of Object.entries(before)) {
      if (what === 'sysctls' || what === 'processes') continue;
      assert.deepEqual(
        lines.filter((line) => !crashed[what]!.includes(line)),
        [],
        `the start of one took nothing of the other: ${what}`,
      );
    }
    assert.equal(more('domains'), 2);
    assert.equal(more('subvolumes'), 2);
    assert.match(crashed['links']!.join(), /brci1/);
    assert.match(crashed['rules']!.join('\n'), /-i virbr0 .*recheck-.*DNAT/);

    const red = await startRed();
    t.after(() => red.close());
    // It is the same controller by what it keeps.
    renameSync(join(controller.userDir, 'recheck'), join(red.userDir, 'recheck'));
    await red.deploy(mine.map((node) => (node.type === 'ssh-exec' ? { ...node, script: 'true' } : node)));
    await waitFor('all is removed', () => JSON.stringify(left()) === JSON.stringify(before), 60_000).catch(() => {});
    assert.deepEqual(left(), before);
    // And the worker is as good as new.
    const { result, fault, console } = await runBuild(red);
    assert.equal(result, 'SUCCESS', `${fault?.message}\n${console}`);
    assert.deepEqual(left(), before);
    assert.ok(other.runs());
  });
});
