import { TABLE_BYTES } from '../../../lib/storage/download/partitions.ts';

const PER_MIB = 2048;

export const TYPES = {
  esp: 'c12a7328-f81f-11d2-ba4b-00a0c93ec93b',
  linux: '0fc63daf-8483-4772-8e79-3d69d8477de4',
  rootArm64: 'b921b045-1df0-41c3-af44-4c6f280d3fae',
  rootX64: '4f68bce3-e8cd-4db1-96e7-fbcaf984b709',
};

/** A partition, in MiB. */
interface Part<T> {
  start: number;
  size: number;
  type: T;
}

/** Returns the start of a disk with an MBR. */
export function mbr(parts: readonly Part<number>[]): Buffer {
  const head = Buffer.alloc(TABLE_BYTES);
  parts.forEach(({ start, size, type }, i) => {
    const at = 446 + 16 * i;
    head[at] = i === 0 ? 0x80 : 0;
    head[at + 4] = type;
    head.writeUInt32LE(start * PER_MIB, at + 8);
    head.writeUInt32LE(size * PER_MIB, at + 12);
  });
  head.writeUInt16LE(0xaa55, 510);
  return head;
}

/** Returns the start of a disk with a GPT, without its checksums. */
export function gpt(parts: readonly Part<string>[]): Buffer {
  const head = mbr([{ start: 1 / PER_MIB, size: 1, type: 0xee }]);
  head.write('EFI PART', 512, 'latin1');
  head.writeBigUInt64LE(2n, 512 + 72);
  head.writeUInt32LE(128, 512 + 80);
  head.writeUInt32LE(128, 512 + 84);
  parts.forEach(({ start, size, type }, i) => {
    const at = 1024 + 128 * i;
    const [a, b, c, d, e] = type.split('-').map((part) => Buffer.from(part, 'hex'));
    Buffer.concat([a!.reverse(), b!.reverse(), c!.reverse(), d!, e!]).copy(head, at);
    head.writeBigUInt64LE(BigInt(start * PER_MIB), at + 32);
    head.writeBigUInt64LE(BigInt((start + size) * PER_MIB - 1), at + 40);
  });
  return head;
}

/** Returns a FAT file system of a few clusters with these files in EFI/BOOT (8.3 names). */
export function fat(bits: 12 | 16 | 32, files: readonly string[]): Buffer {
  const clusters = { 12: 100, 16: 5000, 32: 70_000 }[bits];
  const fatSectors = Math.ceil(((clusters + 2) * bits) / 8 / 512);
  const rootEntries = bits === 32 ? 0 : 512;
  const reserved = 32;
  const data = reserved + fatSectors * 2 + (rootEntries * 32) / 512;
  // Only what is read: the end of the data is missing.
  const disk = Buffer.alloc((data + 16) * 512);
  disk.writeUInt16LE(512, 11);
  disk[13] = 1;
  disk.writeUInt16LE(reserved, 14);
  disk[16] = 2;
  disk.writeUInt16LE(rootEntries, 17);
  disk.writeUInt32LE(data + clusters, 32);
  if (bits === 32) {
    disk.writeUInt32LE(fatSectors, 36);
    disk.writeUInt32LE(2, 44);
  } else disk.writeUInt16LE(fatSectors, 22);
  disk.writeUInt16LE(0xaa55, 510);
  const link = (cluster: number, to: number): void => {
    const at = reserved * 512 + Math.floor((cluster * bits) / 8);
    if (bits === 32) disk.writeUInt32LE(to, at);
    else if (bits === 16) disk.writeUInt16LE(to & 0xffff, at);
    else disk.writeUInt16LE(disk.readUInt16LE(at) | (cluster % 2 === 0 ? to & 0xfff : (to & 0xfff) << 4), at);
  };
  const place = (cluster: number): number => (data + cluster - 2) * 512;
  const root = bits === 32 ? place(2) : (data - (rootEntries * 32) / 512) * 512;
  const write = (at: number, name: string, attributes: number, cluster: number): void => {
    const [base, extension = ''] = name.split('.');
    disk.write(base!.padEnd(8) + extension.padEnd(3), at, 'latin1');
    disk[at + 11] = attributes;
    disk.writeUInt16LE(cluster, at + 26);
  };
  write(root, 'ESP', 0x08, 0);
  write(root + 32, 'EFI', 0x10, 3);
  write(place(3), '.', 0x10, 3);
  write(place(3) + 32, '..', 0x10, 0);
  write(place(3) + 64, 'BOOT', 0x10, 4);
  // BOOT has two clusters, the files are in the second one.
  for (let i = 0; i < 16; i++) write(place(4) + 32 * i, i === 0 ? '.' : `OLD${i}.EFI`, i === 0 ? 0x10 : 0x20, 0);
  disk[place(4) + 32] = 0xe5;
  files.forEach((name, i) => {
    write(place(7) + 32 * i, name, 0x20, 9);
  });
  const end = 0x0fffffff;
  for (const [cluster, to] of [
    [2, end],
    [3, end],
    [4, 7],
    [7, end],
  ] as const)
    link(cluster, to);
  return disk;
}
