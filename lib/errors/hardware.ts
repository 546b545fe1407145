import { CiError } from './ci-error.ts';

/** Where the CPU model is set. */
const CPU_FIELD = 'CPU model, under More in the vm-image or in virsh-boot';
/** Where the firmware is set. */
const FIRMWARE_FIELD = 'Firmware, under More in the vm-image or in virsh-boot';

export const cpuNeedsKvm = (domain: string, cpu: string): CiError =>
  new CiError({
    code: 'libvirt/cpu',
    message: `Guest ${domain}: the CPU model "${cpu}" needs KVM, and guests of this worker are emulated. Choose max or x86-64-v2 (${CPU_FIELD}), or fix KVM there.`,
  });

/** @param qemu the first version of QEMU that can: "7.2" */
export const cpuTooNew = (domain: string, cpu: string, qemu: string): CiError =>
  new CiError({
    code: 'libvirt/cpu',
    message: `Guest ${domain}: the worker's QEMU cannot emulate a processor of ${cpu}: that takes QEMU ${qemu} or newer, or KVM. Choose x86-64-v2 (${CPU_FIELD}) if the image can do with it, or upgrade QEMU there.`,
  });

export const cpuNotForArch = (domain: string, cpu: string, arch: string): CiError =>
  new CiError({
    code: 'libvirt/cpu',
    message: `Guest ${domain}: ${cpu} is a level of x86 processors, and the worker is ${arch}. Leave the CPU model empty (${CPU_FIELD}), and use an image for ${arch}.`,
    result: 'ERROR',
  });

export const biosNotForArch = (domain: string, arch: string): CiError =>
  new CiError({
    code: 'libvirt/firmware',
    message: `Guest ${domain}: there is no BIOS for ${arch}, which boots by UEFI only. Leave the firmware to the worker (${FIRMWARE_FIELD}).`,
    result: 'ERROR',
  });

/** The packages that bring UEFI for guests, on Debian and Ubuntu. */
export const UEFI_PACKAGES: Readonly<Record<string, string>> = { x86_64: 'ovmf', aarch64: 'qemu-efi-aarch64' };

export const noUefi = (worker: string, arch: string): CiError =>
  new CiError({
    code: 'libvirt/no-uefi',
    message: `${worker}: there is no UEFI firmware for guests. Install it there (Debian, Ubuntu: apt-get install ${UEFI_PACKAGES[arch]}).`,
  });

/** How libvirt says that it found no firmware, or none without secure boot. */
export const isWithoutUefi = (said: string): boolean => /unable to find .*(?:efi|firmware)/i.test(said);

/** How libvirt and QEMU say that they do not know a CPU model, or that this host cannot have it. */
export const isWithoutCpu = (said: string): boolean =>
  /unknown cpu model|cpu model '?[\w.-]+'? .*not supported|cpu mode '[\w-]+' .*not supported|incompatible with host cpu|cpu .*not (?:match|compatible)|unable to find cpu definition/i.test(
    said,
  );

export const CPU_ADVICE = ` Choose another ${CPU_FIELD}; "virsh domcapabilities" on the worker lists those that it can have.`;
export const UEFI_ADVICE =
  ' Install UEFI firmware without secure boot on the worker (Debian, Ubuntu: ovmf, or qemu-efi-aarch64).';

/** The CPU level that a system asks for as it gives up: glibc, RHEL's glibc, SUSE's kernel. */
const LACKS_LEVEL = /CPU does not support (x86-64-v\d)/i;
const LACKS_CPU =
  /Fatal glibc error: .*\bCPU\b|CPU ISA level is lower than required|This kernel requires an? [\w-]+ CPU|requires the following features not present on the CPU/i;

/** What UEFI firmware says if it finds nothing to boot: OVMF's boot menu, or its shell. */
const NOTHING_FOR_UEFI = /No bootable option or device was found|UEFI Interactive Shell|Shell>/;
/** Lines that firmware says it in: a system that runs has written more since. */
const FIRMWARE_LINES = 25;
/** What a BIOS says, if its messages reach the serial console. */
const NOTHING_FOR_BIOS = /No bootable device|not a bootable disk/i;

const chooseFirmware = (made: string, name: string): string =>
  `if ${made}, choose ${name} as firmware (under More in its vm-image, or in virsh-boot).`;
const [USE_BIOS, USE_UEFI] = [
  chooseFirmware('its disk is made for a BIOS', 'BIOS'),
  chooseFirmware('it needs UEFI', 'UEFI'),
];

/**
 * What to change in a guest's virtual hardware, by the end of its console; empty if that tells nothing.
 *
 * @param lines of the console, oldest first
 * @param firmware what the guest was started with, if that was chosen
 */
export function hardwareAdvice(lines: readonly string[], firmware: 'bios' | 'uefi' = 'bios'): string {
  if (lines.length === 0) {
    const [name, advice] = firmware === 'uefi' ? ['UEFI', USE_BIOS] : ['BIOS', USE_UEFI];
    return `Its console is empty: can its disk be booted under ${name}? ${advice.replace('if', 'If')}`;
  }
  const text = lines.join('\n');
  const level = LACKS_LEVEL.exec(text)?.[1];
  if (level !== undefined)
    return `Its system needs a processor of at least ${level}: choose ${level} as CPU model (under More in its vm-image, or in virsh-boot). Under KVM the worker's own processor must have it.`;
  if (LACKS_CPU.test(text))
    return 'Its system needs another processor: choose a CPU model (under More in its vm-image, or in virsh-boot).';
  const end = lines.slice(-FIRMWARE_LINES).join('\n');
  if (NOTHING_FOR_UEFI.test(end)) return `UEFI found nothing to boot: ${USE_BIOS}`;
  if (NOTHING_FOR_BIOS.test(end)) return `The BIOS found nothing to boot: ${USE_UEFI}`;
  return '';
}
