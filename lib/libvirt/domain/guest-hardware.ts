import { biosNotForArch } from '../../errors/libvirt-hardware.ts';
import type { GuestSpec } from '../../worker/types.ts';
import type { DomainType } from '../types.ts';
import { type CpuElement, cpuFor } from './cpu.ts';
import { type Arch, atLeast, type HostHardware, type Loader, UEFI_MACHINE } from './host-hardware.ts';

/**
 * Limit of an emulated guest's translated code. QEMU's own is an eighth to a half of the host's memory: a Debian guest
 * of 1 GiB took 1.3 GiB by its first login; with this limit it took 0.5 GiB, and was as fast.
 */
export const TRANSLATION_CACHE_MIB = 128;

/** QEMU's own memory beside the guest's. */
const QEMU_OVERHEAD_MIB = 64;

/** Returns the MiB that a guest may take of its worker in total. */
export const memoryTaken = (memory: number, { translationCache = 0 }: GuestHardware): number =>
  memory + translationCache + QEMU_OVERHEAD_MIB;

/** Virtual hardware of a guest, for the domain template. */
export interface GuestHardware {
  arch: Arch;
  machine: string;
  uefi: boolean;
  /** Missing if libvirt chooses it. */
  loader?: Loader;
  cpu: CpuElement;
  /** MiB; missing under KVM. */
  translationCache?: number;
}

/**
 * Returns the hardware of a guest on a worker: what it requests, otherwise what suits the worker.
 *
 * @throws CiError if the worker cannot provide what it requests
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
    // libvirt rejects elements that it does not know, and this one under KVM.
    ...(type === 'qemu' && atLeast(libvirt, 8, 0) ? { translationCache: TRANSLATION_CACHE_MIB } : {}),
  };
}
