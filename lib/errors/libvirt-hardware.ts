/** Errors of a guest's virtual hardware and its domain's XML, and advice about them. */
import { CiError } from './ci-error.ts';

/** Where the CPU model is set. */
const CPU_FIELD = 'CPU model, under More in the vm-image or in virsh-boot';
/** Where the firmware is set. */
const FIRMWARE_FIELD = 'Firmware, under More in the vm-image or in virsh-boot';

/** The CPU model that is set for an emulated guest exists with KVM only. */
export const cpuNeedsKvm = (domain: string, cpu: string): CiError =>
  new CiError({
    code: 'libvirt/cpu',
    blame: 'worker',
    message: `Guest ${domain}: the CPU model "${cpu}" needs KVM, but guests of this worker are emulated.`,
    advice: `Choose max or x86-64-v2 (${CPU_FIELD}), or fix KVM on the worker.`,
  });

/**
 * A CPU level is set that this version of QEMU does not emulate.
 *
 * @param qemu the first version of QEMU that can: "7.2"
 */
export const cpuTooNew = (domain: string, cpu: string, qemu: string): CiError =>
  new CiError({
    code: 'libvirt/cpu',
    blame: 'worker',
    message: `Guest ${domain}: the worker's QEMU cannot emulate ${cpu}, which needs KVM, or QEMU ${qemu} or newer.`,
    advice: `Choose x86-64-v2 (${CPU_FIELD}) if that is enough for the image, or upgrade QEMU on the worker.`,
  });

/** An x86 level is set as the CPU model of a guest on another architecture. */
export const cpuNotForArch = (domain: string, cpu: string, arch: string): CiError =>
  new CiError({
    code: 'libvirt/cpu',
    blame: 'config',
    message: `Guest ${domain}: ${cpu} is a level of x86 processors, but the worker is ${arch}.`,
    advice: `Leave the CPU model empty (${CPU_FIELD}), and use an image for ${arch}.`,
  });

/** A guest on an architecture without a BIOS is set to boot with one. */
export const biosNotForArch = (domain: string, arch: string): CiError =>
  new CiError({
    code: 'libvirt/firmware',
    blame: 'config',
    message: `Guest ${domain}: there is no BIOS for ${arch}, which boots with UEFI only.`,
    advice: `Leave the firmware to the worker (${FIRMWARE_FIELD}).`,
  });

/**
 * A domain template of the user omits something that Recheck relies on.
 *
 * @param lacks what the XML does not contain: "the domain's name"
 */
export const badDomainTemplate = (lacks: string): CiError =>
  new CiError({
    code: 'libvirt/template',
    blame: 'config',
    message: `The template of the domain's XML does not contain ${lacks}, so the guest could not be found again and removed.`,
    advice: 'Copy it from the original template.',
  });

/** A clone is empty, so there is nothing to boot from. */
export const cloneWithoutDisk = (domain: string): CiError =>
  new CiError({
    code: 'libvirt/no-disk',
    blame: 'image',
    message: `Guest ${domain}: its clone contains no disk file.`,
    advice: 'The image must contain one, such as vda.qcow2; rebuild it.',
  });

/** Debian and Ubuntu packages with UEFI firmware for guests, by architecture. */
export const UEFI_PACKAGES: Readonly<Record<string, string>> = { x86_64: 'ovmf', aarch64: 'qemu-efi-aarch64' };

/** A guest must boot with UEFI, but the worker has no firmware for it. */
export const noUefi = (worker: string, arch: string): CiError =>
  new CiError({
    code: 'libvirt/no-uefi',
    blame: 'worker',
    message: `${worker}: there is no UEFI firmware for guests.`,
    advice: `Install it there (Debian, Ubuntu: apt-get install ${UEFI_PACKAGES[arch]}).`,
    excludesHost: true,
  });

/** Returns whether libvirt says that it found no firmware, or none without secure boot. */
export const saysNoUefi = (output: string): boolean => /unable to find .*(?:efi|firmware)/i.test(output);

/** Returns whether libvirt or QEMU says that a CPU model is unknown, or not possible on this host. */
export const saysNoCpuModel = (output: string): boolean =>
  /unknown cpu model|cpu model '?[\w.-]+'? .*not supported|cpu mode '[\w-]+' .*not supported|incompatible with host cpu|cpu .*not (?:match|compatible)|unable to find cpu definition/i.test(
    output,
  );

/** What to do about a CPU model, or about firmware, that libvirt refused. */
export const CPU_ADVICE = `Choose another ${CPU_FIELD}; "virsh domcapabilities" on the worker lists the possible ones.`;
export const UEFI_ADVICE =
  'Install UEFI firmware without secure boot on the worker (Debian, Ubuntu: ovmf, or qemu-efi-aarch64).';

/** Matches the CPU level that a system names when it gives up: glibc, RHEL's glibc, SUSE's kernel. */
const LACKS_LEVEL = /CPU does not support (x86-64-v\d)/i;
const LACKS_CPU =
  /Fatal glibc error: .*\bCPU\b|CPU ISA level is lower than required|This kernel requires an? [\w-]+ CPU|requires the following features not present on the CPU/i;

/** Matches UEFI firmware that found nothing to boot: OVMF's boot menu, or its shell. */
const NOTHING_FOR_UEFI = /No bootable option or device was found|UEFI Interactive Shell|Shell>/;
/** Last lines of the console that are searched for it: a system that is running has written more since. */
const FIRMWARE_LINE_COUNT = 25;
/** Matches a BIOS that found nothing to boot, if its messages reach the serial console. */
const NOTHING_FOR_BIOS = /No bootable device|not a bootable disk/i;

const chooseFirmware = (reason: string, name: string): string =>
  `if ${reason}, choose ${name} as firmware (under More in its vm-image, or in virsh-boot).`;
const [USE_BIOS, USE_UEFI] = [
  chooseFirmware('its disk is made for a BIOS', 'BIOS'),
  chooseFirmware('it needs UEFI', 'UEFI'),
];

/**
 * Returns what to change in a guest's virtual hardware, according to the end of its console; empty if that is unknown.
 *
 * @param lines of the console, oldest first
 * @param firmware that the guest was started with, if one was chosen
 */
export function hardwareAdvice(lines: readonly string[], firmware: 'bios' | 'uefi' = 'bios'): string {
  if (lines.length === 0) {
    const [name, advice] = firmware === 'uefi' ? ['UEFI', USE_BIOS] : ['BIOS', USE_UEFI];
    return `Its console is empty: can its disk boot with ${name}? ${advice.replace('if', 'If')}`;
  }
  const text = lines.join('\n');
  const level = LACKS_LEVEL.exec(text)?.[1];
  if (level !== undefined)
    return `Its system needs a processor of at least ${level}: choose ${level} as CPU model (under More in its vm-image, or in virsh-boot). With KVM, the worker's own processor must support it.`;
  if (LACKS_CPU.test(text))
    return 'Its system needs another processor: choose a CPU model (under More in its vm-image, or in virsh-boot).';
  const end = lines.slice(-FIRMWARE_LINE_COUNT).join('\n');
  if (NOTHING_FOR_UEFI.test(end)) return `UEFI found nothing to boot: ${USE_BIOS}`;
  if (NOTHING_FOR_BIOS.test(end)) return `The BIOS found nothing to boot: ${USE_UEFI}`;
  return '';
}
