import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { LibvirtHypervisor } from '../../lib/libvirt/hypervisor.ts';
import { answerInMemory } from '../../lib/libvirt/kvm-cache.ts';
import type { GuestSpec } from '../../lib/worker/types.ts';
import { scriptedHost } from './scripted-host.ts';

const within = () => ({ signal: AbortSignal.timeout(20_000) });

/** A worker with a network; `ran` collects its commands. */
function networked(refusal = '') {
  const ran: string[] = [];
  const host = scriptedHost((argv) => {
    const text = argv.join(' ');
    ran.push(text);
    if (text.includes('net-list')) return { stdout: 'network default yes virbr0\nbridge virbr0\n' };
    if (refusal !== '' && text.includes('create --file')) return { code: 1, stderr: refusal };
    return {};
  });
  return { ran, source: async () => host };
}

const guestSpec = (domain: string, mac = ''): GuestSpec => ({
  name: 'vm',
  domain,
  owner: { controller: 'c1c1c1c1c1c1', build: domain, attempt: 1 },
  clone: {
    name: domain,
    path: `/ci/${domain}`,
    disks: [{ name: 'vda', path: `/ci/${domain}/vda.qcow2`, format: 'qcow2' }],
  },
  memory: 64,
  vcpus: 1,
  networks: [{ source: 'default', mac }],
});

test('a second guest with the same MAC is refused, and stopping it does not affect the first', async () => {
  const { ran, source } = networked();
  const hypervisor = new LibvirtHypervisor({ label: 'worker host-a', type: 'qemu', source });
  const spec = (domain: string, mac = '52:54:00:AA:00:07') => guestSpec(domain, mac);
  await hypervisor.boot(spec('first'), within());
  const taken = {
    code: 'libvirt/mac-taken',
    result: 'ERROR',
    message: /second.* 52:54:00:aa:00:07.* first .*one slot/,
  };
  const before = ran.length;
  await assert.rejects(hypervisor.boot(spec('second'), within()), taken);
  assert.equal(ran.length, before, 'nothing is begun');
  await hypervisor.stop('second', within());
  const after = ran.slice(before).join('\n');
  assert.doesNotMatch(after, /dhcp_release|first/);
  await assert.rejects(hypervisor.boot(spec('third'), within()), { code: taken.code });
  await hypervisor.boot(spec('fourth', '52:54:00:aa:00:08'), within());
  await hypervisor.stop('first', within());
  await hypervisor.boot(spec('second'), within());
});

test('a start refused for lack of KVM makes the next one probe again; other refusals do not', async () => {
  const refusals = [
    ['error: internal error: Could not access KVM kernel module: Permission denied', 'libvirt/no-kvm'],
    ['error: Domain requires KVM, but it is not available.', 'libvirt/no-kvm'],
    ['error: invalid argument: could not find capabilities for domaintype=kvm ', 'libvirt/no-kvm'],
    ["error: Emulator '/usr/bin/qemu-system-x86_64' does not support virt type 'kvm'", 'libvirt/no-kvm'],
    ["error: Cannot access storage file '/srv/kvm/vda.qcow2': Permission denied", 'libvirt/not-started'],
  ] as const;
  for (const [refusal, code] of refusals) {
    const answers = answerInMemory();
    answers.set({ type: 'kvm', why: 'a guest showed life' });
    const { ran, source } = networked(refusal);
    const hypervisor = new LibvirtHypervisor({ label: 'worker host-a', type: 'auto', answers, source });
    await assert.rejects(hypervisor.boot(guestSpec('d'), within()), { code, result: 'NODE_FAILURE' });
    assert.ok(!ran.some((text) => text.includes('domcapabilities')), 'it was known');
    const next = await hypervisor.type(within());
    assert.equal(next.type, code === 'libvirt/no-kvm' ? 'qemu' : 'kvm', refusal);
  }
});

test('guests that start together share one KVM probe; emulation is probed again after a day', async () => {
  mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 10, 1) });
  try {
    const { ran, source } = networked();
    const hypervisor = new LibvirtHypervisor({ label: 'worker host-a', type: 'auto', source });
    const trials = () => ran.filter((text) => text.includes('domcapabilities')).length;
    await Promise.all([hypervisor.type(within()), hypervisor.type(within())]);
    assert.equal((await hypervisor.type(within())).type, 'qemu');
    assert.equal(trials(), 1);
    mock.timers.tick(86_400_000);
    await hypervisor.type(within());
    assert.equal(trials(), 2);
  } finally {
    mock.timers.reset();
  }
});

/** A worker with these answers about UEFI; `started` collects the XML of its guests. */
function withUefi(capabilities: string, machine = 'x86_64\nRunning against daemon: 9.0.0\n') {
  const { source: networks } = networked();
  const started: string[] = [];
  const asked: string[] = [];
  const source = async () => {
    const inner = await networks();
    return {
      ...inner,
      async run(argv: readonly string[], options: { stdin?: string }) {
        const text = argv.join(' ');
        if (text.includes('create --file')) started.push(options.stdin ?? '');
        asked.push(text);
        const stdout = text.includes('domcapabilities')
          ? capabilities
          : text.includes('uname -m')
            ? machine
            : undefined;
        return stdout === undefined ? inner.run(argv) : { code: 0, stdout, stderr: '' };
      },
    } as Awaited<ReturnType<typeof networks>>;
  };
  const hypervisor = new LibvirtHypervisor({ label: 'worker host-a', type: 'qemu', source });
  return { hypervisor, started, asked };
}

const CHOOSES = "<enum name='firmware'>\n <value>bios</value>\n <value>efi</value>\n</enum>";
const uefiGuest = (domain: string): GuestSpec => ({ ...guestSpec(domain), firmware: 'uefi' });

test('UEFI firmware is libvirt’s choice or an existing file; without either, the worker is to blame', async () => {
  const chosen = withUefi(CHOOSES);
  await chosen.hypervisor.boot(uefiGuest('a'), within());
  assert.match(chosen.started[0]!, /<os firmware='efi'>/);
  const file = withUefi("<enum name='firmware'>\n</enum>\nloader\t/fw/CODE.fd\t/fw/VARS.fd\n");
  await file.hypervisor.boot(uefiGuest('a'), within());
  assert.match(file.started[0]!, />\/fw\/CODE\.fd<\/loader>\s*<nvram template='\/fw\/VARS\.fd'>/);
  const none = withUefi("<enum name='firmware'>\n <value>bios</value>\n</enum>");
  const fault = await none.hypervisor.boot(uefiGuest('a'), within()).catch((error) => error);
  assert.equal(fault.code, 'libvirt/no-uefi');
  assert.match(fault.message, /^worker host-a: there is no UEFI firmware for guests\. .*apt-get install ovmf\)/);
  assert.ok(fault.facts.excludesHost);
  const before = none.asked.length;
  await none.hypervisor.boot(guestSpec('b'), within());
  assert.ok(!none.asked.slice(before).some((text) => text.includes('domcapabilities')), 'a BIOS needs no firmware');
  // A custom template that uses none of our firmware.
  const template = none.started[0]!.replace('<name>b</name>', '<name>{{name}}</name>').replace(
    /build='b'/,
    "build='{{build}}'",
  );
  await none.hypervisor.boot({ ...uefiGuest('c'), template }, within());
});

test('the machine is inspected once, and again after a guest was refused', async () => {
  const { hypervisor, started, asked } = withUefi('', 'aarch64\nRunning against daemon: 7.0.0\n');
  await assert.rejects(hypervisor.boot(guestSpec('a'), within()), {
    code: 'libvirt/no-uefi',
    message: /qemu-efi-aarch64/,
  });
  assert.equal(hypervisor.inspector.known?.arch, 'aarch64');
  const looks = () => asked.filter((text) => text.includes('uname -m')).length;
  assert.equal(looks(), 1);
  assert.deepEqual(started, []);

  const refusals = [
    [
      "error: operation failed: Unable to find any firmware to satisfy 'efi'",
      'libvirt/no-uefi',
      /Install UEFI firmware/,
    ],
    ['error: internal error: Unknown CPU model nonesuch', 'libvirt/not-started', /Choose another CPU model/],
    [
      "error: unsupported configuration: CPU mode 'host-model' for aarch64 qemu domain on x86_64 host is not supported by hypervisor",
      'libvirt/not-started',
      /Choose another CPU model/,
    ],
    [
      'error: the CPU is incompatible with host CPU: Host CPU does not provide required features: rdseed',
      'libvirt/not-started',
      /Choose another CPU model/,
    ],
  ] as const;
  for (const [refusal, code, message] of refusals) {
    const { ran, source } = networked(refusal);
    const refusing = new LibvirtHypervisor({ label: 'worker host-a', type: 'qemu', source });
    const count = () => ran.filter((text) => text.includes('uname -m')).length;
    await assert.rejects(refusing.boot(guestSpec('a'), within()), { code, message });
    await assert.rejects(refusing.boot(guestSpec('b'), within()), { code });
    assert.equal(count(), 2);
  }
});
