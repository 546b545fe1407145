import assert from 'node:assert/strict';
import { test } from 'node:test';
import { notUpInTime } from '../../lib/errors/build-guest.ts';
import { hardwareAdvice } from '../../lib/errors/libvirt-hardware.ts';

/** The end of a kernel panic after init has exited. */
const PANIC = [
  'Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00',
  ...Array.from({ length: 30 }, (_, i) => `[    4.1${i}] Call Trace ${i}`),
  '---[ end Kernel panic - not syncing: Attempted to kill init! exitcode=0x00007f00 ]---',
];

test('the advice for a processor that is too old names the level that the system requires', () => {
  for (const level of ['x86-64-v2', 'x86-64-v3']) {
    const lines = ['Run /init as init process', `Fatal glibc error: CPU does not support ${level}`, ...PANIC];
    assert.match(hardwareAdvice(lines), new RegExp(`at least ${level}: choose ${level} as CPU model`));
  }
  for (const line of [
    'Fatal glibc error: CPU lacks FMA support',
    '/bin/sh: CPU ISA level is lower than required',
    'This kernel requires an x86-64 CPU, but only detected an i686 CPU.',
  ])
    assert.match(hardwareAdvice([line, ...PANIC]), /choose a CPU model/, line);
  assert.equal(hardwareAdvice(PANIC), '');
});

test('the advice for firmware that finds nothing to boot is the other firmware', () => {
  const shell = [
    'BdsDxe: failed to load Boot0001 "UEFI Misc Device" from PciRoot(0x0)/Pci(0x1,0x0): Not Found',
    '\u001b[2J\u001b[01;01HUEFI Interactive Shell v2.2',
    'EDK II',
    '\u001b[12;01H\u001b[1m\u001b[33m\u001b[40mShell> \u001b[0m',
  ];
  assert.match(hardwareAdvice(shell, 'uefi'), /made for a BIOS, choose BIOS as firmware/);
  assert.match(
    hardwareAdvice(['BdsDxe: No bootable option or device was found.', 'BdsDxe: Press any key'], 'uefi'),
    /BIOS/,
  );
  assert.match(hardwareAdvice(['Booting from Hard Disk...', 'No bootable device.']), /choose UEFI/);
  assert.match(
    hardwareAdvice([]),
    /^Its console is empty: can its disk boot with BIOS\? If it needs UEFI, choose UEFI/,
  );
  assert.match(hardwareAdvice([], 'uefi'), /can its disk boot with UEFI\? If its disk is made for a BIOS, choose BIOS/);
  // The firmware found another disk.
  assert.equal(hardwareAdvice([...shell.slice(0, 2), ...PANIC], 'uefi'), '');
});

test('the message about a guest that is not up in time prefers its console to guesses', () => {
  assert.match(notUpInTime(9, undefined, 'x'), /^it has no address after 9 s\. Does its network have a DHCP server/);
  assert.match(
    notUpInTime(9, undefined, 'x', { hardware: 'Choose this.' }),
    /^it has no address after 9 s\. Choose this\.$/,
  );
  assert.match(notUpInTime(9, 'connection refused', 'x', { hardware: 'Choose this.' }), /within 9 s\. Choose this\.$/);
  assert.match(notUpInTime(9, 'connection refused', '', { hardware: 'Its console is empty.' }), /SSH server/);
});
