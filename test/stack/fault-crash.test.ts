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
import { guestLane, type LaneSettings, newStorageFolder, runBuild, sshHost, tinyImage, workerHost } from './flow.ts';
import { guestDisk, inSandbox, inventory, stackFolder } from './support.ts';

/** Returns a lane whose build runs until it is stopped. */
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

/** Starts a controller process and waits until its build's script runs. */
async function startController(t: TestContext, flow: FlowConfig[]) {
  const process_ = spawn(process.execPath, [join(import.meta.dirname, 'controller.ts')], {
    env: { ...process.env, FLOW: JSON.stringify(flow) },
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  t.after(() => process_.kill('SIGKILL'));
  const [output] = await Promise.race([
    waitForEvent('the controller prints its folder', process_.stdout, 'data', 60_000),
    endOf(process_).then(() => Promise.reject(new Error('the controller ended'))),
  ]);
  const userDir = String(output).trim();
  t.after(() => rmSync(userDir, { recursive: true, force: true }));
  return {
    userDir,
    runs: () => process_.exitCode === null && process_.signalCode === null,
    kill: () => end(process_),
  };
}

/** Adds a second libvirt network to the worker, as similar to the first as possible. */
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

/** Lists what builds have created on the worker, except for images, which are meant to stay. */
const listLeftovers = (): Record<string, string[]> => {
  const { listeners: _, ...now } = inventory();
  return { ...now, subvolumes: now['subvolumes']!.filter((path) => !path.includes('@')) };
};

inSandbox(import.meta.url, { limitMs: 420_000, disks: ['tiny'] }, () => {
  test('a killed controller cleans up its own leftovers when it is back, and nothing of another controller', async (t) => {
    const sshd = await startOpenSsh();
    t.after(() => sshd.remove());
    addNetwork('staging');
    const place = newStorageFolder();

    // Another controller with the same flow, except for path and network. Its build runs during the whole test.
    const other = await startController(t, lane(sshd, newStorageFolder(), 'staging'));
    // It also has a clone in our path, where it does not belong.
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
    const before = listLeftovers();
    assert.equal(before['domains']!.length, 1);
    assert.match(before['links']!.join(), /brci0/);
    assert.match(before['rules']!.join('\n'), /-i virbr1 .*recheck-.*DNAT/);

    const mine = lane(sshd, place, 'default', { guests: 'slave master' });
    const controller = await startController(t, mine);
    await controller.kill();
    const crashed = listLeftovers();
    const more = (what: string): number => crashed[what]!.length - before[what]!.length;
    for (const [what, lines] of Object.entries(before)) {
      if (what === 'sysctls' || what === 'processes') continue;
      assert.deepEqual(
        lines.filter((line) => !crashed[what]!.includes(line)),
        [],
        `starting one controller removed nothing of the other: ${what}`,
      );
    }
    assert.equal(more('domains'), 2);
    assert.equal(more('subvolumes'), 2);
    assert.match(crashed['links']!.join(), /brci1/);
    assert.match(crashed['rules']!.join('\n'), /-i virbr0 .*recheck-.*DNAT/);

    const red = await startRed();
    t.after(() => red.close());
    // The stored state makes it the same controller.
    renameSync(join(controller.userDir, 'recheck'), join(red.userDir, 'recheck'));
    await red.deploy(mine.map((node) => (node.type === 'ssh-exec' ? { ...node, script: 'true' } : node)));
    await waitFor('all is removed', () => JSON.stringify(listLeftovers()) === JSON.stringify(before), 60_000).catch(
      () => {},
    );
    assert.deepEqual(listLeftovers(), before);
    // The worker is usable again.
    const { result, fault, console } = await runBuild(red);
    assert.equal(result, 'SUCCESS', `${fault?.message}\n${console}`);
    assert.deepEqual(listLeftovers(), before);
    assert.ok(other.runs());
  });
});
