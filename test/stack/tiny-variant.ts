/** Variants of the tiny guest's disk, for guests that behave differently. */
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { guestDisk, stackFolder } from './support.ts';

/** Offset of the root partition in the tiny guest's disk (make-disk.sh: 1 MiB, then a FAT of 20 MiB). */
const ROOT_OFFSET_BYTES = 21 << 20;

/** Returns the text of one of the tiny guest's files (scripts/real-stack/tiny-guest/). */
export const tinyFile = (name: string): string =>
  readFileSync(join(import.meta.dirname, '../../scripts/real-stack/tiny-guest', name), 'utf8');

/**
 * Builds a variant of the tiny guest's disk in which some files are replaced, added as programs, or removed.
 *
 * @param files text of each file by its path in the guest, without the leading slash; null removes the file
 * @param size size of the disk in qemu-img's notation, if it is to be larger than the system on it
 * @returns the path of a qcow2 file
 */
export function tinyVariant(files: Record<string, string | null>, size?: string): string {
  const folder = mkdtempSync(join(stackFolder!, 'variant-'));
  const disk = join(folder, 'disk');
  execFileSync('qemu-img', ['convert', '-O', 'raw', guestDisk('tiny'), disk]);
  const debugfs = (command: string): string =>
    execFileSync('debugfs', ['-w', '-R', command, `${disk}?offset=${ROOT_OFFSET_BYTES}`], {
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
