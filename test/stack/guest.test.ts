import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { DOMAIN_TEMPLATE } from '../../lib/libvirt/domain-template.ts';
import { waitFor } from '../support/wait.ts';
import { inSandbox, inventory } from './support.ts';
import {
  addressOf,
  bootGuest,
  consoleOf,
  logIn,
  NETWORK,
  openWorld,
  prepareGuest,
  removeGuest,
  runInGuest,
  type World,
} from './world.ts';

inSandbox(import.meta.url, { limitMs: 400_000, disks: ['tiny'] }, () => {
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
