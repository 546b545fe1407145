import assert from 'node:assert/strict';
import { test } from 'node:test';
import { guestHardware } from '../../../lib/libvirt/domain/guest-hardware.ts';
import { atLeast, type HostHardware, parseHost } from '../../../lib/libvirt/domain/host-hardware.ts';
import type { Hardware } from '../../../lib/worker/types.ts';

const X86: HostHardware = { arch: 'x86_64', libvirt: 9_000_000, qemu: 7_002_022 };
const ARM: HostHardware = { ...X86, arch: 'aarch64' };
const on = (hardware: Hardware, type: 'kvm' | 'qemu' = 'qemu', host = X86) =>
  guestHardware({ domain: 'recheck-b1-1-vm', ...hardware }, type, host);
/** `mode model+features` of a guest's processor. */
const cpu = (...args: Parameters<typeof on>): string => {
  const { mode, model, features } = on(...args).cpu;
  return [mode, model, features.length].filter(Boolean).join(' ');
};

test('hardware that is not requested is what suits the worker best', () => {
  assert.equal(cpu({}), 'custom qemu64 6');
  assert.equal(cpu({}, 'kvm'), 'host-passthrough');
  assert.equal(cpu({}, 'qemu', ARM), 'custom cortex-a57');
  assert.equal(cpu({}, 'kvm', ARM), 'host-passthrough');
  const machine = (...args: Parameters<typeof on>) => {
    const { arch, machine: name, uefi } = on(...args);
    return [arch, name, uefi];
  };
  assert.deepEqual(machine({}), ['x86_64', 'pc', false]);
  assert.deepEqual(machine({ firmware: 'bios' }), ['x86_64', 'pc', false]);
  assert.deepEqual(machine({ firmware: 'uefi' }), ['x86_64', 'q35', true]);
  assert.deepEqual(machine({}, 'kvm', ARM), ['aarch64', 'virt', true]);
  assert.deepEqual(machine({ firmware: 'uefi' }, 'qemu', ARM), ['aarch64', 'virt', true]);
});

test('a CPU is accepted by each of its names', () => {
  assert.equal(cpu({ cpu: 'host' }, 'kvm'), 'host-passthrough');
  assert.equal(cpu({ cpu: 'host-passthrough' }, 'kvm'), 'host-passthrough');
  for (const type of ['kvm', 'qemu'] as const) {
    assert.equal(cpu({ cpu: 'max' }, type), 'maximum');
    assert.equal(cpu({ cpu: 'Maximum' }, type), 'maximum');
    assert.equal(cpu({ cpu: 'host-model' }, type), 'host-model');
    assert.equal(cpu({ cpu: 'EPYC-Milan' }, type), 'custom EPYC-Milan');
  }
  // libvirt checks a model against the host only under KVM.
  assert.equal(on({ cpu: 'EPYC' }).cpu.check, 'none');
  assert.equal(on({ cpu: 'EPYC' }, 'kvm').cpu.check, '');
  assert.throws(() => on({ cpu: 'host' }), { code: 'libvirt/cpu', message: /needs KVM, .*Choose max or x86-64-v2/ });
});

test('a level is a minimum: emulated exactly, under KVM met by the host’s processor', () => {
  assert.equal(cpu({ cpu: 'x86-64-v1' }), 'custom qemu64');
  assert.equal(cpu({ cpu: 'x86-64-v2' }), 'custom qemu64 6');
  assert.equal(cpu({ cpu: 'X86-64-v3' }), 'custom qemu64 16');
  assert.ok(on({ cpu: 'x86-64-v3' }).cpu.features.includes('xsaveopt'), 'Linux hangs without');
  for (const level of [2, 3, 4]) assert.equal(cpu({ cpu: `x86-64-v${level}` }, 'kvm'), 'host-passthrough');
  assert.throws(() => on({ cpu: 'x86-64-v4' }), { code: 'libvirt/cpu', message: /"x86-64-v4" needs KVM/ });
  const old = { ...X86, qemu: 6_002_000 };
  assert.equal(cpu({ cpu: 'x86-64-v2' }, 'qemu', old), 'custom qemu64 6');
  assert.throws(() => on({ cpu: 'x86-64-v3' }, 'qemu', old), { code: 'libvirt/cpu', message: /QEMU 7\.2 or newer/ });
});

test('hardware that an ARM machine lacks is reported', () => {
  assert.throws(() => on({ cpu: 'x86-64-v2' }, 'kvm', ARM), { code: 'libvirt/cpu', result: 'ERROR' });
  assert.throws(() => on({ firmware: 'bios' }, 'kvm', ARM), { code: 'libvirt/firmware', message: /UEFI only/ });
});

test('the translation cache is limited if libvirt supports that, and absent under KVM', () => {
  assert.equal(on({}).translationCache, 128);
  assert.equal(on({}, 'qemu', { arch: 'x86_64' }).translationCache, 128);
  assert.equal(on({}, 'qemu', { ...X86, libvirt: 8_000_000 }).translationCache, 128);
  assert.equal(on({}, 'qemu', { ...X86, libvirt: 7_010_000 }).translationCache, undefined);
  assert.equal(on({}, 'kvm').translationCache, undefined);
});

test('a machine is parsed from uname and virsh; what they omit stays unknown', () => {
  const said = `aarch64
Compiled against library: libvirt 10.0.0
Using library: libvirt 10.0.0
Using API: QEMU 10.0.0
Running hypervisor: QEMU 8.2.2
Running against daemon: 8.0.0
`;
  assert.deepEqual(parseHost(said), { arch: 'aarch64', libvirt: 8_000_000, qemu: 8_002_002 });
  assert.equal(parseHost(said.replace(/Running against.*/, '')).libvirt, 10_000_000);
  assert.deepEqual(parseHost('x86_64\n'), { arch: 'x86_64' });
  assert.deepEqual(parseHost(''), { arch: 'x86_64' });
  assert.ok(atLeast(undefined, 99, 0) && atLeast(8_000_000, 8, 0) && !atLeast(7_010_001, 8, 0));
});
