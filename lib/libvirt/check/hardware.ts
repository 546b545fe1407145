import { UEFI_PACKAGES } from '../../errors/libvirt-hardware.ts';
import { atLeast, versionAfter } from '../domain/host-hardware.ts';
import type { Check } from './item.ts';
import type { Facts } from './program.ts';

/** Flags in /proc/cpuinfo of each x86-64 level beyond the previous one (x86-64 psABI, table 3.1). */
const LEVELS = [
  [],
  ['cx16', 'lahf_lm', 'popcnt', 'pni', 'sse4_1', 'sse4_2', 'ssse3'],
  ['abm', 'avx', 'avx2', 'bmi1', 'bmi2', 'f16c', 'fma', 'movbe', 'xsave'],
  ['avx512f', 'avx512bw', 'avx512cd', 'avx512dq', 'avx512vl'],
];

/** Returns the x86-64 level of a processor with these flags: 1 to 4. */
function levelOf(flags: readonly string[]): number {
  const missing = LEVELS.findIndex((wanted) => wanted.some((flag) => !flags.includes(flag)));
  return missing < 0 ? LEVELS.length : missing;
}

/** Reports the processor of guests. @param kvm whether they run under KVM */
export function checkProcessor(facts: Facts, kvm: boolean): Check[] {
  const [arch] = facts('arch');
  const check = (detail: string, fix?: string): Check[] => [
    { what: 'processor', ok: true, detail, ...(fix === undefined ? {} : { fix }) },
  ];
  if (arch === undefined) return [];
  if (arch !== 'x86_64') return check(kvm ? `${arch}, this machine's own` : `${arch}, emulated`);
  if (kvm) return check(`x86-64-v${levelOf((facts('cpu')[0] ?? '').split(' '))}, this machine's own`);
  const upgrade = 'apt-get install --only-upgrade qemu-system-x86';
  if (!facts('emulates').includes('x86-64-v2'))
    return check('QEMU cannot emulate x86-64-v2 here, so systems such as RHEL 9 do not run.', upgrade);
  if (atLeast(versionAfter(facts('libvirt')[0] ?? '', /hypervisor: QEMU /), 7, 2))
    return check('x86-64-v2, emulated; an image that needs x86-64-v3 can ask for it');
  return check('x86-64-v2, emulated; x86-64-v3 (RHEL 10) needs QEMU 7.2 or newer');
}

/** Reports the firmware that guests can have. @param needing names of the images used here that need UEFI */
export function checkFirmware(facts: Facts, needing: readonly string[]): Check[] {
  const [uefi] = facts('uefi');
  const [arch = 'x86_64'] = facts('arch');
  if (uefi === undefined) return [];
  const bios = arch === 'x86_64';
  if (uefi !== 'none') {
    const detail = uefi === 'chosen' ? 'UEFI' : `UEFI from ${uefi}`;
    return [{ what: 'firmware', ok: true, detail: bios ? `BIOS, ${detail}` : detail }];
  }
  const fix = `apt-get install ${UEFI_PACKAGES[arch]}`;
  if (!bios)
    return [{ what: 'firmware', ok: false, detail: `UEFI firmware is missing; ${arch} guests need it to boot.`, fix }];
  const needed = needing.length > 0;
  const detail = needed
    ? `UEFI firmware is missing; these images need it: ${needing.join(', ')}.`
    : 'BIOS only. An image that needs UEFI cannot be booted here.';
  return [{ what: 'firmware', ok: !needed, detail, fix }];
}
