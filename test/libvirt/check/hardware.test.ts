import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { CheckSettings } from '../../../lib/libvirt/check.ts';
import { but, look, of } from './looked-at.ts';

const V2 = 'cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3';
const V3 = `${V2} abm avx avx2 bmi1 bmi2 f16c fma movbe xsave`;

test('the processor of guests is emulated, or the machine’s own', async () => {
  const processor = async (settings: Partial<CheckSettings>, ...more: string[]) =>
    of(await look(but([], 'arch x86_64', ...more), settings), 'processor');
  assert.equal(
    await processor({}, 'emulates x86-64-v2'),
    '+ processor: x86-64-v2, emulated; an image that needs x86-64-v3 can ask for it',
  );
  assert.match(
    await processor({}),
    /^\+ processor: QEMU cannot emulate x86-64-v2 .* \| apt-get install --only-upgrade/,
  );
  const old = but(['libvirt'], 'libvirt Running hypervisor: QEMU 6.2.0', 'arch x86_64', 'emulates x86-64-v2');
  assert.match(of(await look(old), 'processor'), /x86-64-v3 \(RHEL 10\) needs QEMU 7\.2/);
  for (const [flags, level] of [
    ['fpu sse2', 1],
    [V2, 2],
    [V3, 3],
    [`${V3} avx512f avx512bw avx512cd avx512dq avx512vl`, 4],
  ] as const)
    assert.equal(
      await processor({ type: 'auto' }, `cpu ${flags}`),
      `+ processor: x86-64-v${level}, this machine's own`,
    );
  const arm = of(await look(but(['arch'], 'arch aarch64'), { type: 'auto' }, ''), 'guests');
  assert.doesNotMatch(arm, /modprobe/);
  assert.equal(of(await look(but([], 'arch aarch64')), 'processor'), '+ processor: aarch64, emulated');
  assert.match(of(await look(but(['emulator'], 'arch aarch64', 'emulator ')), 'guests'), /aarch64.*qemu-system-arm$/);
});

test('missing UEFI is a hint, unless an image used here needs it', async () => {
  const firmware = async (facts: string[], uefiImages?: string[]) =>
    of(await look(but([], ...facts), uefiImages ? { uefiImages } : {}), 'firmware');
  assert.equal(await firmware(['uefi chosen']), '+ firmware: BIOS, UEFI');
  assert.equal(await firmware(['uefi /fw/CODE.fd'], ['alma']), '+ firmware: BIOS, UEFI from /fw/CODE.fd');
  assert.match(await firmware(['uefi none']), /^\+ firmware: BIOS only\. .* \| apt-get install ovmf$/);
  assert.match(
    await firmware(['uefi none'], ['alma', 'rocky']),
    /^- firmware: .*: alma, rocky\. \| apt-get install ovmf$/,
  );
  assert.equal(await firmware(['arch aarch64', 'uefi chosen']), '+ firmware: UEFI');
  assert.match(await firmware(['arch aarch64', 'uefi none']), /^- firmware: .* \| apt-get install qemu-efi-aarch64$/);
});
