import assert from 'node:assert/strict';
import { copyFileSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { guestDisk, inSandbox, stackFolder } from './support.ts';
import { boot, end, openWorld, prepare, script, type World } from './world.ts';

/** The user-data of the README that the product follows, as it stands there. */
const SEED = `#cloud-config
manage_etc_hosts: true
bootcmd:
  - echo 'root:r00tme' | chpasswd
disable_root: 0
ssh_pwauth: True
`;

inSandbox(import.meta.url, { limit: 400_000, disks: ['tiny', 'debian'] }, () => {
  let world: World;
  before(async () => {
    world = await openWorld();
    const files = mkdtempSync(join(stackFolder!, 'debian-'));
    copyFileSync(guestDisk('debian'), join(files, 'vda.qcow2'));
    world.image = { name: 'debian', key: 'k1', source: { kind: 'directory', path: files }, loginUser: 'root' };
    await world.worker.storage.make(world.image, { signal: AbortSignal.timeout(60_000) });
  });
  after(() => world.close());

  test('a real cloud-init takes the host key made for it, the operator’s user-data and keys', async (t) => {
    const link = await world.openLink();
    const guest = await prepare(world, { build: 'd1', name: 'vm-1', userData: SEED });
    guest.spec.memory = 1024;
    guest.spec.vcpus = 2;
    const began = performance.now();
    // Verified from the first answer on: any other key would have been refused, and tried again.
    const host = await boot(world, guest, 180_000);
    t.diagnostic(`${Math.round(performance.now() - began)} ms from boot to login`);
    const { output } = await script(
      host,
      `for i in $(seq 90); do [ -e /run/cloud-init/result.json ] && break; sleep 1; done
cat /run/cloud-init/result.json; hostname; cat /etc/hosts
ls /etc/ssh/ssh_host_*_key; cat /etc/ssh/ssh_host_ed25519_key.pub; echo
getent shadow root | cut -c 1-8; sshd -T 2>/dev/null | grep -i ^passwordauthentication`,
      120_000,
    );
    assert.match(output, /DataSourceOpenStack/);
    assert.match(output, /"errors": \[\]/);
    assert.match(output, /^vm-1$/m);
    assert.match(output, /^127\.0\.1\.1 vm-1/m);
    assert.ok(output.includes(guest.hostKey.publicKey.split(' ')[1]!), output);
    assert.deepEqual(output.match(/^\/etc\/ssh\/ssh_host_.*$/gm), ['/etc/ssh/ssh_host_ed25519_key']);
    assert.match(output, /^root:\$/m);
    assert.match(output, /passwordauthentication yes/i);
    await end(world, guest, host);
    await link.close();
  });
});
