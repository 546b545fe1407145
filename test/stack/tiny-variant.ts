/** The tiny guest's disk with files of its own, for a guest that behaves otherwise. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestDisk, stackFolder } from './support.ts';

/** Byte at which the tiny guest's root begins in its disk (tiny-guest.sh: a FAT of 20 MiB behind the first). */
const ROOT_AT = 21 << 20;

/** The tiny guest's own file of that name (scripts/real-stack/tiny-guest/). */
export const tinyFile = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../scripts/real-stack/tiny-guest', name), 'utf8');

/**
 * Makes the tiny guest's disk with some files replaced or added as programs, or removed.
 *
 * @param files text of each by its path in the guest, without the first slash; null removes it
 * @param size as qemu-img takes it, if the disk is to be larger than its system
 * @returns the disk: a qcow2 file
 */
export function tinyVariant(files: Record<string, string | null>, size?: string): string {
  const folder = mkdtempSync(join(stackFolder!, 'variant-'));
  const disk = join(folder, 'disk');
  execFileSync('qemu-img', ['convert', '-O', 'raw', guestDisk('tiny'), disk]);
  const debugfs = (command: string): string =>
    execFileSync('debugfs', ['-w', '-R', command, `${disk}?offset=${ROOT_AT}`], {
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'ignore'],
    });
  for (const [path, text] of Object.entries(files)) {
    debugfs(`rm ${path}`);
    if (text === null) continue;
    const file = join(folder, 'file');
    writeFileSync(file, text);
    debugfs(`write ${file} ${path}`);
    debugfs(`set_inode_field ${path} mode 0100755`);
    if (!debugfs(`stat ${path}`).includes(`Size: ${Buffer.byteLength(text)}`))
      throw new Error(`${path} was not written into ${disk}`);
  }
  const made = join(folder, 'disk.qcow2');
  execFileSync('qemu-img', ['convert', '-f', 'raw', '-O', 'qcow2', disk, made]);
  if (size !== undefined) execFileSync('qemu-img', ['resize', '-q', made, size]);
  rmSync(disk);
  return made;
}
