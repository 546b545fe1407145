import { biosNotForArch } from '../../errors/libvirt-hardware.ts';
import type { GuestSpec } from '../../worker/types.ts';
import type { DomainType } from '../types.ts';
import { type CpuElement, cpuFor } from './cpu.ts';
import { type Arch, atLeast, type HostHardware, type Loader, UEFI_MACHINE } from './host-hardware.ts';

/**
 * MiB that an emulated guest's translated code may take. QEMU's own bound is an eighth to a half of the host's memory: a
 * Debian guest of 1 GiB took 1.3 GiB by its first login, with this one 0.5 GiB, and was as fast.
 */
export const TRANSLATION_CACHE_MIB = 128;

/** MiB that QEMU takes for itself beside a guest's memory. */
const QEMU_MIB = 64;

/** MiB that a guest may take of its worker in all. */
export const memoryTaken = (memory: number, { translationCache = 0 }: GuestHardware): number =>
  memory + translationCache + QEMU_MIB;

/** The virtual hardware of a guest, as its domain's template gets it. */
export interface GuestHardware {
  arch: Arch;
  machine: string;
  uefi: boolean;
  /** Named only if libvirt cannot choose it. */
  loader?: Loader;
  cpu: CpuElement;
  /** MiB; missing under KVM. */
  translationCache?: number;
}

/**
 * The hardware of a guest on a worker: what it asks for, else what suits the worker.
 *
 * @throws CiError if the worker cannot give a guest what it asks for
 */
export function guestHardware(
  { domain, cpu = '', firmware }: Pick<GuestSpec, 'domain' | 'cpu' | 'firmware'>,
  type: DomainType,
  host: HostHardware,
): GuestHardware {
  const { arch, libvirt } = host;
  if (arch === 'aarch64' && firmware === 'bios') throw biosNotForArch(domain, arch);
  const uefi = arch === 'aarch64' || firmware === 'uefi';
  return {
    arch,
    // Under emulation a guest with a BIOS boots faster on the older machine.
    machine: uefi ? UEFI_MACHINE[arch] : 'pc',
    uefi,
    cpu: cpuFor(domain, cpu, type, host),
    // An element that libvirt does not know is an error, and so is this one under KVM.
    ...(type === 'qemu' && atLeast(libvirt, 8, 0) ? { translationCache: TRANSLATION_CACHE_MIB } : {}),
  };
}
