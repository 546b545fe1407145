import { basename, dirname, join } from 'node:path';
import { quote } from '../ssh/quote.ts';
import { imageFolder } from '../worker/names.ts';
import type { GuestByHand, ImageSpec } from '../worker/types.ts';
import { type Arch, UEFI_MACHINE } from './domain/host-hardware.ts';

/** UEFI firmware that keeps no variables, where Debian and Ubuntu install it. */
const UEFI_FILES = { x86_64: '/usr/share/ovmf/OVMF.fd', aarch64: '/usr/share/qemu-efi-aarch64/QEMU_EFI.fd' };

/** A CPU model as QEMU calls it. `max` is the host's own under KVM, and has every level that can be emulated. */
const cpuModel = (cpu = ''): string => (/^(|host.*|max.*|x86-64-v\d)$/i.test(cpu) ? 'max' : cpu);

/**
 * The command by which a person starts a guest of the same image on the worker, on its console: what it writes is
 * thrown away, and its SSH is at 127.0.0.1:2222. It has no metadata server: who logs in must be known to the image.
 */
export function manualBootCommands(image: ImageSpec, guest: GuestByHand, arch: Arch = 'x86_64'): string[] {
  const { clone, memory = 1024, vcpus = 1, hardware = image } = guest;
  if (!clone) return [];
  // Images and clones stand side by side.
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
