import assert from 'node:assert/strict';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { controlLibvirtd, inSandbox, inventory } from './support.ts';
import { logIn, openWorld, prepareGuest, removeGuest, runInGuest, type World } from './world.ts';

inSandbox(import.meta.url, { limitMs: 300_000, disks: ['tiny'] }, () => {
  let world: World;
  let before_: ReturnType<typeof inventory>;
  before(async () => {
    world = await openWorld();
  });
  after(() => world.close());
  beforeEach(() => {
    before_ = inventory();
  });
  afterEach(() => assert.deepEqual(inventory(), before_, 'nothing is left behind'));

  test('libvirtd restarts while a guest boots and while it is removed: both succeed', async () => {
    const { hypervisor } = world.worker;
    const link = await world.openLink();
    const guest = await prepareGuest(world, { build: 'r1' });
    await hypervisor.boot(guest.spec, { signal: AbortSignal.timeout(180_000) });
    controlLibvirtd('stop');
    const loggingIn = logIn(world, guest);
    await sleep(1_500);
    controlLibvirtd('start');
    const host = await loggingIn;
    assert.equal((await runInGuest(host, 'echo up')).output, 'up\n');

    controlLibvirtd('stop');
    assert.equal((await runInGuest(host, 'echo still up')).output, 'still up\n');
    const ending = removeGuest(world, guest, host);
    await sleep(500);
    controlLibvirtd('start');
    await ending;
    await link.close();
  });

  test('an error reports a stopped libvirtd and says what to do', async () => {
    controlLibvirtd('stop');
    await assert.rejects(world.worker.hypervisor.list({ signal: AbortSignal.timeout(180_000) }), {
      code: 'libvirt/down',
      message: /worker host-a: libvirt at qemu:\/\/\/system does not answer .* systemctl start libvirtd/,
    });
    controlLibvirtd('start');
  });
});
