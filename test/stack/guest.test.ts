import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdtempSync, readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import { reap } from '../../lib/builds/reap.ts';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { DOMAIN_TEMPLATE } from '../../lib/libvirt/domain-template.ts';
import { waitFor } from '../support/wait.ts';
import { guestDisk, inSandbox, inventory, stackFolder } from './support.ts';
import {
  addressOf,
  bootGuest,
  consoleOf,
  logIn,
  NETWORK,
  openWorld,
  prepareGuest,
  processorLevels,
  removeGuest,
  runInGuest,
  type World,
} from './world.ts';

inSandbox(import.meta.url, { limitMs: 400_000, disks: ['tiny', 'tiny-uefi'] }, () => {
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

  test('a guest works from clone to removal: metadata, verified login, script, console, clean shutdown', async (t) => {
    const { worker } = world;
    const at = stopwatch(t);
    const link = await world.openLink();
    at('metadata link open');
    const guest = await prepareGuest(world, { build: 'b1', userData: '#!/bin/sh\necho "$(hostname)" > /root/told\n' });
    at('cloned');
    await worker.hypervisor.boot(guest.spec, { signal: AbortSignal.timeout(180_000) });
    at('booted');
    // Idempotent.
    await worker.hypervisor.boot(guest.spec, { signal: AbortSignal.timeout(180_000) });
    const host = await logIn(world, guest);
    at('logged in');
    assert.deepEqual(await worker.hypervisor.list({ signal: AbortSignal.timeout(180_000) }), [
      { domain: guest.domain, owner: guest.owner },
    ]);
    const result = await runInGuest(host, 'echo "on $(hostname)"; echo oops >&2; cat /root/told; exit 3');
    at('script run');
    assert.deepEqual(result, { code: 3, output: 'on vm\noops\nvm\n' });
    assert.match(await consoleOf(worker, guest), /tiny: metadata at/);
    const xml = execFileSync('virsh', ['-q', 'dumpxml', guest.domain], { encoding: 'utf8' });
    assert.match(xml, /cache='unsafe'/);
    assert.match(xml, /OpenStack Nova/);
    await worker.hypervisor.shutdown(guest.domain, { signal: AbortSignal.timeout(180_000) });
    at('shut down');
    assert.deepEqual(await worker.hypervisor.list({ signal: AbortSignal.timeout(180_000) }), []);
    // The console can still be read.
    assert.match(await consoleOf(worker, guest), /tiny: metadata at/);
    await removeGuest(world, guest, host);
    // Idempotent.
    await removeGuest(world, guest);
    await link.close();
    at('removed');
  });

  test('two guests of a build share a private bridge, which is removed with the last of them', async (t) => {
    const at = stopwatch(t);
    const networks = [NETWORK, { source: 'brci%' }];
    // Docker configures a worker like this: iptables filters bridged packets, and drops them.
    const setting = '/proc/sys/net/bridge/bridge-nf-call-iptables';
    const filtered = existsSync(setting) && readFileSync(setting, 'utf8').trim() === '1';
    execFileSync('iptables', ['-w', '-P', 'FORWARD', 'DROP']);
    const rules = () => inventory()['rules']!.filter((rule) => rule.includes('recheck-bridge-'));
    const link = await world.openLink();
    const guests = await Promise.all(
      ['slave', 'master'].map((name) => prepareGuest(world, { build: 'b2', name, networks })),
    );
    const [slave, master] = await Promise.all(guests.map((guest) => bootGuest(world, guest)));
    at('two guests logged in');
    const up = (n: number) => `ip link set eth1 up; ip addr add 10.9.9.${n}/24 dev eth1; echo up`;
    await runInGuest(slave!, up(1));
    await runInGuest(master!, up(2));
    const ping = await runInGuest(master!, 'ping -c 1 -W 5 10.9.9.1');
    assert.equal(ping.code, 0, ping.output);
    const bridges = () => inventory()['links']!.filter((name) => name.startsWith('brci'));
    assert.deepEqual(bridges(), ['brci0']);
    assert.equal(rules().length, filtered ? 1 : 0, rules().join());
    // The worker itself has no address on the bridge, not even a link-local one.
    assert.equal(
      execFileSync('ip', ['-br', 'addr', 'show', 'brci0'], { encoding: 'utf8' }).trim().split(/\s+/).length,
      2,
    );
    await removeGuest(world, guests[0]!, slave!);
    assert.deepEqual(bridges(), ['brci0']);
    await removeGuest(world, guests[1]!, master!);
    assert.deepEqual(bridges(), []);
    assert.deepEqual(rules(), []);
    execFileSync('iptables', ['-w', '-P', 'FORWARD', 'ACCEPT']);
    await link.close();
  });

  test('a manually destroyed domain is reported, both before and after the first login', async () => {
    const { worker } = world;
    const link = await world.openLink();
    const guest = await prepareGuest(world, { build: 'b3' });
    await worker.hypervisor.boot(guest.spec, { signal: AbortSignal.timeout(180_000) });
    execFileSync('virsh', ['-q', 'destroy', guest.domain]);
    await assert.rejects(logIn(world, guest, 20_000), (error: CiError) => {
      assert.equal(error.code, 'worker/guest-died', error.stack);
      assert.match(error.message, new RegExp(`${guest.domain} powered off or was destroyed`));
      return true;
    });
    await removeGuest(world, guest);

    const other = await prepareGuest(world, { build: 'b4' });
    const host = await bootGuest(world, other);
    const address = await addressOf(world, other);
    execFileSync('virsh', ['-q', 'destroy', other.domain]);
    await assert.rejects(
      worker.login(
        { host: address, port: 22, user: 'root', privateKey: world.key.privateKey },
        { signal: AbortSignal.timeout(180_000) },
      ),
      { code: 'worker/guest-died' },
    );
    await removeGuest(world, other, host);
    await link.close();
  });

  test('an abort during a boot leaves no domain and no bridge', async () => {
    const { worker } = world;
    for (const delay of [0, 60, 250, 500]) {
      const guest = await prepareGuest(world, { build: `abort${delay}`, networks: [NETWORK, { source: 'brx%' }] });
      const booting = worker.hypervisor.boot(guest.spec, { signal: AbortSignal.timeout(delay) });
      booting.catch(() => {});
      await new Promise((resolve) => setTimeout(resolve, delay));
      await removeGuest(world, guest);
      await booting.catch(() => {});
    }
  });

  test('leftovers of another controller, bridges without guests included, are listed with their owner and can be removed', async () => {
    const { worker } = world;
    const options = { signal: AbortSignal.timeout(180_000) };
    const guest = await prepareGuest(world, { build: 'crashed', networks: [NETWORK, { source: 'brl%' }] });
    await worker.hypervisor.boot(guest.spec, options);
    const later = world.newWorker();
    assert.deepEqual(await later.hypervisor.list(options), [{ domain: guest.domain, owner: guest.owner }]);
    await later.hypervisor.stop(guest.domain, options);
    await later.storage.remove(guest.domain, options);
    assert.deepEqual(await later.hypervisor.list(options), []);

    const other = await prepareGuest(world, { build: 'crashed2', networks: [NETWORK, { source: 'brl%' }] });
    await worker.hypervisor.boot(other.spec, options);
    execFileSync('virsh', ['-q', 'destroy', other.domain]);
    assert.deepEqual(await later.hypervisor.list(options), [{ domain: 'bridge:brl0', owner: other.owner }]);
    await later.hypervisor.stop('bridge:brl0', options);
    await later.storage.remove(other.domain, options);
  });

  test('an error explains why a guest cannot boot: no such network, only private bridges, a bad MAC, an unusable template', async () => {
    const options = { signal: AbortSignal.timeout(180_000) };
    const tries: [Partial<Parameters<typeof prepareGuest>[1]>, { code: string; message?: RegExp }, object?][] = [
      [
        { networks: [{ source: 'virbr9' }] },
        { code: 'libvirt/no-network', message: /"virbr9"\. There are: default, virbr0/ },
      ],
      [{ networks: [{ source: 'br%' }] }, { code: 'libvirt/only-private' }],
      [{ networks: [{ source: 'default', mac: '53:54:00:00:00:01' }] }, { code: 'libvirt/mac' }],
      [{}, { code: 'libvirt/template' }, { template: DOMAIN_TEMPLATE.replace(/<metadata>[\s\S]*<\/metadata>/, '') }],
      [
        {},
        { code: 'libvirt/not-started' },
        { template: DOMAIN_TEMPLATE.replace("machine='pc'", "machine='none-such'") },
      ],
    ];
    for (const [i, [settings, fault, changed]] of tries.entries()) {
      const guest = await prepareGuest(world, { build: `bad${i}`, ...settings });
      const { hypervisor } = world.newWorker(changed);
      await assert.rejects(hypervisor.boot(guest.spec, options), fault);
      await hypervisor.stop(guest.domain, options);
      await world.worker.storage.remove(guest.domain, options);
    }
  });

  test('a guest gets its fixed MAC on a network that is named by its bridge', async () => {
    const link = await world.openLink();
    const guest = await prepareGuest(world, {
      build: 'b5',
      networks: [{ source: 'virbr0', mac: '52-54-00-AA-00-07' }],
    });
    const host = await bootGuest(world, guest);
    assert.equal((await runInGuest(host, 'cat /sys/class/net/eth0/address')).output, '52:54:00:aa:00:07\n');
    await removeGuest(world, guest, host);
    await link.close();
  });

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

  test('auto runs a trial guest to find out whether KVM works, and caches the answer', async () => {
    let known: { type: 'kvm' | 'qemu'; why: string } | undefined;
    const answers = {
      get: () => known,
      set(answer: NonNullable<typeof known>) {
        known = answer;
      },
      forget() {
        known = undefined;
      },
    };
    const { hypervisor } = world.newWorker({ type: 'auto', answers });
    const began = performance.now();
    const answer = await hypervisor.type({ signal: AbortSignal.timeout(180_000) });
    assert.deepEqual(known, answer);
    assert.ok(performance.now() - began < 15_000);
    assert.ok(answer.type === 'kvm' ? /showed life/.test(answer.why) : answer.why !== '');
    await waitFor('the trial guest is gone', () => inventory()['processes']!.length === 0);
  });
});

function stopwatch(t: { diagnostic(text: string): void }): (what: string) => void {
  const began = performance.now();
  return (what) => t.diagnostic(`${Math.round(performance.now() - began)} ms: ${what}`);
}
