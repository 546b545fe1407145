import assert from 'node:assert/strict';
import { test } from 'node:test';
import { manualBootCommands } from '../../lib/libvirt/manual-boot.ts';
import type { ImageSpec } from '../../lib/worker/types.ts';

const image = { name: 'base', key: 'k1', loginUser: 'root' } as ImageSpec;

test('the command boots the same image with its disks and size, and quotes a strange folder name', () => {
  const clone = {
    name: 'recheck-1-1-vm',
    path: "/ci/a, b's/recheck-1-1-vm",
    disks: [{ name: 'vda', path: "/ci/a, b's/recheck-1-1-vm/vda.qcow2", format: 'qcow2' as const }],
  };
  const [command, ...more] = manualBootCommands(image, { name: 'vm', clone, memory: 3000, vcpus: 2 });
  assert.deepEqual(more, []);
  assert.match(command!, /^qemu-system-x86_64 .*-m 3000 -smp 2 -snapshot /);
  assert.ok(command!.includes(`'file=/ci/a,, b'\\''s/base@k1/vda.qcow2,if=virtio,format=qcow2'`), command);
});

test('a guest that was never cloned has no command', () => {
  assert.deepEqual(manualBootCommands(image, { name: 'vm' }), []);
});

test('firmware and processor are those of the guest, otherwise those of its image', () => {
  const clone = { name: 'c', path: '/ci/c', disks: [] };
  const line = (guest: object, of: Partial<ImageSpec> = {}, arch?: 'aarch64') =>
    manualBootCommands({ ...image, ...of }, { name: 'vm', clone, ...guest }, arch)[0]!;
  assert.match(line({}), /-cpu max /);
  assert.doesNotMatch(line({}), /-bios/);
  for (const cpu of ['host', 'max', 'x86-64-v3']) assert.match(line({}, { cpu }), /-cpu max /);
  assert.match(
    line({}, { cpu: 'EPYC', firmware: 'uefi' }),
    /-machine q35 -bios \/usr\/share\/ovmf\/OVMF\.fd .*-cpu EPYC /,
  );
  assert.doesNotMatch(line({ hardware: { firmware: 'bios' } }, { firmware: 'uefi' }), /-bios/);
  assert.match(line({}, {}, 'aarch64'), /^qemu-system-aarch64 -machine virt -bios /);
});
