import { basename, dirname, join } from 'node:path';
import { quote } from '../ssh/quote.ts';
import { imageFolder } from '../storage/names.ts';
import type { ImageSpec, ManualGuest } from '../worker/types.ts';
import { type Arch, UEFI_MACHINE } from './domain/host-hardware.ts';

/** UEFI firmware without variables, at the paths of Debian and Ubuntu. */
const UEFI_FILES = { x86_64: '/usr/share/ovmf/OVMF.fd', aarch64: '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd' };

/** Returns QEMU's name of a CPU model. `max` is the host's own under KVM, and has every level that QEMU can emulate. */
const cpuModel = (cpu = ''): string => (/^(|host.*|max.*|x86-64-v\d)$/i.test(cpu) ? 'max' : cpu);

/**
 * Returns the command that starts a guest of the same image on the worker, with its console in the terminal. Its writes
 * are discarded, and its SSH is at 127.0.0.1:2222. There is no metadata server, so the image must have a user to log in
 * as.
 */
export function manualBootCommands(image: ImageSpec, guest: ManualGuest, arch: Arch = 'x86_64'): string[] {
  const { clone, memory = 1024, vcpus = 1, hardware = image } = guest;
  if (!clone) return [];
  // Images and clones are in the same folder.
  const folder = join(dirname(clone.path), imageFolder(image));
  const drives = clone.disks.flatMap(({ path, format }) => [
    '-drive',
    `file=${join(folder, basename(path)).replaceAll(',', ',,')},if=virtio,format=${format}`,
  ]);
  const uefi = arch === 'aarch64' || hardware.firmware === 'uefi';
  const firmware = uefi ? ['-machine', UEFI_MACHINE[arch], '-bios', UEFI_FILES[arch]] : [];
  const processor = ['-accel', 'kvm', '-accel', 'tcg', '-cpu', cpuModel(hardware.cpu)];
  const machine = [...firmware, ...processor, '-m', `${memory}`, '-smp', `${vcpus}`, '-snapshot', '-nographic'];
  const network = ['-nic', 'user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:2222-:22'];
  return [quote([`qemu-system-${arch}`, ...machine, ...network, ...drives])];
}
