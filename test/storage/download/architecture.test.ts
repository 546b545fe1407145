import assert from 'node:assert/strict';
import { test } from 'node:test';
import {
  architecturesOf,
  architecturesOfBootFiles,
  architecturesOfTypes,
  machinesOf,
} from '../../../lib/storage/download/architecture.ts';

test('the architecture is read from file names that distributions use', () => {
  const names = {
    'debian-13-generic-amd64.qcow2': ['x86_64'],
    'debian-13-generic-arm64.qcow2': ['aarch64'],
    'debian-13-generic-ppc64el.qcow2': ['ppc64le'],
    'noble-server-cloudimg-amd64.img': ['x86_64'],
    'noble-server-cloudimg-armhf.img': ['arm'],
    'noble-server-cloudimg-s390x.img': ['s390x'],
    'noble-server-cloudimg-riscv64.img': ['riscv64'],
    'questing-server-cloudimg-amd64v3.img': ['x86_64'],
    'Fedora-Cloud-Base-Generic-42-1.1.aarch64.qcow2': ['aarch64'],
    'AlmaLinux-10-GenericCloud-latest.x86_64_v2.qcow2': ['x86_64'],
    'AlmaLinux-9-GenericCloud-latest.ppc64le.qcow2': ['ppc64le'],
    'openSUSE-Leap-15.6-Minimal-VM.x86_64-Cloud.qcow2': ['x86_64'],
    'Arch-Linux-x86_64-cloudimg.qcow2': ['x86_64'],
    'cirros-0.6.3-arm-disk.img': ['arm'],
    'nocloud_alpine-3.22.0-aarch64-uefi-cloudinit-r0.qcow2': ['aarch64'],
    'FreeBSD-14.3-RELEASE-arm64-aarch64-BASIC-CLOUDINIT-ufs.qcow2.xz': ['aarch64'],
    'alpine-i686.raw.gz': ['i386'],
    'loongarch64.qcow2': ['loongarch64'],
    'arm64-cross-tools-amd64.img': ['aarch64', 'x86_64'],
    'charm-army-disarm64ed.qcow2': [],
    'base.img': [],
  };
  for (const [name, wanted] of Object.entries(names))
    assert.deepEqual(architecturesOf(`/images/${name}`), wanted, name);
});

test('a folder counts if the file name has no architecture', () => {
  assert.deepEqual(architecturesOf('/42/Cloud/aarch64/images/latest.qcow2'), ['aarch64']);
  assert.deepEqual(architecturesOf('/arm64/debian-amd64.qcow2'), ['x86_64']);
  assert.deepEqual(architecturesOf(''), []);
});

test('a machine runs its own architecture, and the 32-bit variant of it', () => {
  assert(machinesOf(['x86_64']).includes('x86_64'));
  assert(machinesOf(['i386']).includes('x86_64'));
  assert(!machinesOf(['aarch64']).includes('x86_64'));
  assert(!machinesOf(['x86_64']).includes('aarch64'));
  assert(machinesOf(['aarch64', 'x86_64']).includes('aarch64'));
});

test('boot files and root partitions show the architecture too', () => {
  assert.deepEqual(architecturesOfBootFiles(['BOOTX64.EFI', 'FBX64.EFI']), ['x86_64']);
  assert.deepEqual(architecturesOfBootFiles(['BOOTAA64.EFI', 'BOOTARM.EFI']), ['aarch64', 'arm']);
  assert.deepEqual(architecturesOfBootFiles(['BOOTRI~1.EFI']), ['riscv64']);
  assert.deepEqual(architecturesOfBootFiles(['GRUB.CFG']), []);
  assert.deepEqual(architecturesOfTypes(['b921b045-1df0-41c3-af44-4c6f280d3fae']), ['aarch64']);
  assert.deepEqual(architecturesOfTypes(['0fc63daf-8483-4772-8e79-3d69d8477de4', '83']), []);
});
