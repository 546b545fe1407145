import { basename, dirname, join } from 'node:path';
import { quote } from '../ssh/quote.ts';
import { imageFolder } from '../storage/directory.ts';
import type { GuestByHand, ImageSpec } from './types.ts';

/**
 * The command by which a person starts a guest of the same image on the worker, on its console: what it writes is
 * thrown away, and its SSH is at 127.0.0.1:2222. It has no metadata server: who logs in must be known to the image.
 */
export function bootByHand(image: ImageSpec, { clone, memory = 1024, vcpus = 1 }: GuestByHand): string[] {
  if (!clone) return [];
  // Images and clones stand side by side.
  const folder = join(dirname(clone.path), imageFolder(image));
  const drives = clone.disks.flatMap(({ path, format }) => [
    '-drive',
    `file=${join(folder, basename(path)).replaceAll(',', ',,')},if=virtio,format=${format}`,
  ]);
  const machine = ['-accel', 'kvm', '-accel', 'tcg', '-m', `${memory}`, '-smp', `${vcpus}`, '-snapshot', '-nographic'];
  const network = ['-nic', 'user,model=virtio-net-pci,hostfwd=tcp:127.0.0.1:2222-:22'];
  return [quote(['qemu-system-x86_64', ...machine, ...network, ...drives])];
}
