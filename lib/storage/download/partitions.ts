/** Bytes at a disk's begin that hold its partition table: MBR, GPT header, 128 GPT entries. */
export const TABLE_BYTES = 34 * 512;

const SECTOR = 512;

/** GPT type and MBR type of an EFI system partition. */
const ESP = ['c12a7328-f81f-11d2-ba4b-00a0c93ec93b', 'ef'];

export interface Partition {
  /** Bytes from the disk's begin. */
  start: number;
  /** First byte behind it. */
  end: number;
  /** GUID of a GPT, lower case, or the two hexadecimal digits of an MBR. */
  type: string;
}

/**
 * The partitions of a disk with sectors of 512 bytes, by its GPT (UEFI 2.10, 5.3) or else its MBR; none if it has no
 * table, or if its first sector is a file system's.
 *
 * @param head the first TABLE_BYTES of the disk, or what there is of them
 */
export function partitionsOf(head: Buffer): Partition[] {
  if (head.length < SECTOR || head.readUInt16LE(510) !== 0xaa55) return [];
  if (head.length >= 2 * SECTOR && head.toString('latin1', SECTOR, SECTOR + 8) === 'EFI PART') return gptOf(head);
  const entries = [0, 1, 2, 3].map((i) => head.subarray(446 + 16 * i, 462 + 16 * i));
  if (entries.some((entry) => (entry[0]! & 0x7f) !== 0)) return [];
  return entries
    .map((entry) => {
      const start = entry.readUInt32LE(8) * SECTOR;
      return { start, end: start + entry.readUInt32LE(12) * SECTOR, type: entry.toString('hex', 4, 5) };
    })
    .filter(({ start, end, type }) => start > 0 && end > start && type !== '00' && type !== 'ee');
}

function gptOf(head: Buffer): Partition[] {
  const first = Number(head.readBigUInt64LE(SECTOR + 72)) * SECTOR;
  const count = Math.min(head.readUInt32LE(SECTOR + 80), 128);
  const size = head.readUInt32LE(SECTOR + 84);
  if (size < 128) return [];
  const found: Partition[] = [];
  for (let i = 0; i < count && first + (i + 1) * size <= head.length; i++) {
    const entry = head.subarray(first + i * size);
    const start = Number(entry.readBigUInt64LE(32)) * SECTOR;
    const end = (Number(entry.readBigUInt64LE(40)) + 1) * SECTOR;
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

/** Whether the partition holds boot files for UEFI. */
export const isEsp = ({ type }: Partition): boolean => ESP.includes(type);
