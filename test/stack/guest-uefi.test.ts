import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { reap } from '../../lib/builds/reap.ts';
import { DOMAIN_TEMPLATE } from '../../lib/libvirt/domain-template.ts';
import { guestDisk, inSandbox, inventory, stackFolder } from './support.ts';
import { bootGuest, openWorld, prepareGuest, processorLevels, removeGuest, runInGuest, type World } from './world.ts';

inSandbox(import.meta.url, { limitMs: 400_000, disks: ['tiny', 'tiny-uefi'] }, () => {
  let world: World;
  let held: ReturnType<typeof inventory>;
  before(async () => {
    world = await openWorld();
  });
  after(() => world.close());
  beforeEach(() => {
    held = inventory();
  });
  afterEach(() => assert.deepEqual(inventory(), held, 'nothing is left behind'));

  test('a UEFI-only disk boots under UEFI, and its variables are kept in the clone and removed with it', async () => {
    const { hypervisor, storage } = world.worker;
    const link = await world.openLink();
    const files = mkdtempSync(join(stackFolder!, 'uefi-'));
    copyFileSync(guestDisk('tiny-uefi'), join(files, 'vda.qcow2'));
    const image = { ...world.image, name: 'uefi', source: { kind: 'directory', path: files } } as const;
    await storage.make(image, { signal: AbortSignal.timeout(180_000) });
    const guest = await prepareGuest({ ...world, image }, { build: 'uefi' });
    guest.spec.firmware = 'uefi';
    const host = await bootGuest(world, guest);
    const result = await runInGuest(host, 'ls -d /sys/firmware/efi');
    assert.equal(result.output, '/sys/firmware/efi\n');
    assert.deepEqual(await processorLevels(host), ['x86-64-v2']);
    assert.ok(existsSync(`${guest.clone.path}/${guest.domain}_VARS.fd`));
    await hypervisor.stop(guest.domain, { signal: AbortSignal.timeout(180_000) });
    assert.ok(!readdirSync(guest.clone.path).join().includes('_VARS'), 'an image does not contain them');
    await removeGuest(world, guest, host);
    assert.deepEqual(await storage.collect([world.image], { signal: AbortSignal.timeout(180_000) }), ['uefi@k1']);
    await link.close();
  });

  test('no UEFI variables are left behind, wherever a template stores them and whoever stops the guest', async () => {
    const options = { signal: AbortSignal.timeout(180_000) };
    const elsewhere = mkdtempSync(join(stackFolder!, 'variables-'));
    const withOs = (os: string): string => DOMAIN_TEMPLATE.replace(/<os[\s\S]*<\/os>/, os);
    const type = "<type arch='x86_64' machine='q35'>hvm</type>";
    const loader = "<loader readonly='yes' type='pflash'>/usr/share/OVMF/OVMF_CODE_4M.fd</loader>";
    const smbios = "<smbios mode='sysinfo'/></os>";
    const templates: Record<string, string> = {
      chosen: withOs(`<os firmware='efi'>${type}${smbios}`),
      named: withOs(`<os>${type}${loader}<nvram template='/usr/share/OVMF/OVMF_VARS_4M.fd'/>${smbios}`),
      elsewhere: withOs(`<os>${type}${loader}<nvram>${elsewhere}/{{name}}.vars</nvram>${smbios}`),
      source: withOs(
        `<os>${type}${loader}<nvram type='file'><source file='${elsewhere}/{{name}}_x'/></nvram>${smbios}`,
      ),
    };
    const shared = withOs(`<os>${type}${loader}<nvram>${elsewhere}/shared.fd</nvram>${smbios}`);
    const left = (): string[] => [...inventory()['variables']!, ...readdirSync(elsewhere)];
    for (const [name, template] of Object.entries(templates)) {
      const guest = await prepareGuest(world, { build: name });
      const mine = world.newWorker({ template });
      await mine.hypervisor.boot(guest.spec, options);
      assert.equal(left().length, 1, name);
      // One guest has already stopped, one has lost its controller, and the others are running.
      if (name === 'elsewhere') execFileSync('virsh', ['-q', 'destroy', guest.domain]);
      await (name === 'named' ? world.newWorker() : mine).hypervisor.stop(guest.domain, options);
      assert.deepEqual(left(), [], name);
      await world.worker.storage.remove(guest.domain, options);
    }

    // libvirt creates the file before it detects the error.
    const refused = await prepareGuest(world, { build: 'refused' });
    const { hypervisor } = world.newWorker({
      template: templates['chosen']!.replace("bus='virtio'", "bus='none-such'"),
    });
    await assert.rejects(hypervisor.boot(refused.spec, options), { code: 'libvirt/not-started' });
    await hypervisor.stop(refused.domain, options);
    assert.deepEqual(left(), []);
    await world.worker.storage.remove(refused.domain, options);

    // Both the guest and its controller are gone; the file is found through the clone.
    const crashed = await prepareGuest(world, { build: 'crashed3' });
    await world.newWorker({ template: templates['chosen']! }).hypervisor.boot(crashed.spec, options);
    execFileSync('virsh', ['-q', 'destroy', crashed.domain]);
    assert.deepEqual(left(), [`${crashed.domain}_VARS.fd`]);
    await reap(world.newWorker(), crashed.owner.controller, () => false);
    assert.deepEqual(left(), []);

    // A file that is not named after the guest may also belong to another guest.
    const other = await prepareGuest(world, { build: 'shared' });
    await world.newWorker({ template: shared }).hypervisor.boot(other.spec, options);
    await world.worker.hypervisor.stop(other.domain, options);
    assert.deepEqual(left(), ['shared.fd']);
    await world.worker.storage.remove(other.domain, options);
  });
});
