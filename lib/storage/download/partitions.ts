/** Bytes at the start of a disk that contain its partition table: MBR, GPT header, 128 GPT entries. */
export const TABLE_BYTES = 34 * 512;

const SECTOR_BYTES = 512;

/** GPT type and MBR type of an EFI system partition. */
const ESP = ['c12a7328-f81f-11d2-ba4b-00a0c93ec93b', 'ef'];

/** A partition of a disk. */
export interface Partition {
  /** Offset in bytes. */
  start: number;
  /** Offset of the first byte after it. */
  end: number;
  /** The type's GUID in a GPT, lower case, or its two hexadecimal digits in an MBR. */
  type: string;
}

/**
 * Returns the partitions of a disk with sectors of 512 bytes, by its GPT (UEFI 2.10, 5.3) or else its MBR; none if it has
 * no table, or if its first sector is a file system's.
 *
 * @param head the first TABLE_BYTES of the disk, or fewer
 */
export function partitionsOf(head: Buffer): Partition[] {
  if (head.length < SECTOR_BYTES || head.readUInt16LE(510) !== 0xaa55) return [];
  if (head.length >= 2 * SECTOR_BYTES && head.toString('latin1', SECTOR_BYTES, SECTOR_BYTES + 8) === 'EFI PART')
    return gptOf(head);
  const entries = [0, 1, 2, 3].map((i) => head.subarray(446 + 16 * i, 462 + 16 * i));
  if (entries.some((entry) => (entry[0]! & 0x7f) !== 0)) return [];
  return entries
    .map((entry) => {
      const start = entry.readUInt32LE(8) * SECTOR_BYTES;
      return { start, end: start + entry.readUInt32LE(12) * SECTOR_BYTES, type: entry.toString('hex', 4, 5) };
    })
    .filter(({ start, end, type }) => start > 0 && end > start && type !== '00' && type !== 'ee');
}

function gptOf(head: Buffer): Partition[] {
  const first = Number(head.readBigUInt64LE(SECTOR_BYTES + 72)) * SECTOR_BYTES;
  const count = Math.min(head.readUInt32LE(SECTOR_BYTES + 80), 128);
  const size = head.readUInt32LE(SECTOR_BYTES + 84);
  if (size < 128) return [];
  const found: Partition[] = [];
  for (let i = 0; i < count && first + (i + 1) * size <= head.length; i++) {
    const entry = head.subarray(first + i * size);
    const start = Number(entry.readBigUInt64LE(32)) * SECTOR_BYTES;
    const end = (Number(entry.readBigUInt64LE(40)) + 1) * SECTOR_BYTES;
    const type = guid(entry);
    if (!/^[0-]+$/.test(type) && end > start) found.push({ start, end, type });
  }
  return found;
}

/** The first three parts of a GUID are little-endian. */
function guid(bytes: Buffer): string {
  const part = (from: number, to: number, reversed = true): string => {
    const copy = Buffer.from(bytes.subarray(from, to));
    return (reversed ? copy.reverse() : copy).toString('hex');
  };
  return [part(0, 4), part(4, 6), part(6, 8), part(8, 10, false), part(10, 16, false)].join('-');
}

/** Returns whether it is an EFI system partition, which contains boot files for UEFI. */
export const isEsp = ({ type }: Partition): boolean => ESP.includes(type);
