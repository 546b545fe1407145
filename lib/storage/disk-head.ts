/** Formats of a disk image that are taken: whatever their content says, none reads another file of its machine. */
const TAKEN = ['qcow2', 'vdi', 'vhdx', 'vpc', 'raw'] as const;

export type DiskFormat = (typeof TAKEN)[number];

/** Where a format has its sign, as hexadecimal digits. */
const SIGNS: { format: string; at: number; sign: string }[] = [
  { format: 'qcow', at: 0, sign: '514649fb00000001' },
  { format: 'qcow2', at: 0, sign: '514649fb' },
  { format: 'vdi', at: 64, sign: '7f10dabe' },
  { format: 'vhdx', at: 0, sign: hex('vhdxfile') },
  { format: 'vpc', at: 0, sign: hex('conectix') },
  { format: 'vmdk', at: 0, sign: hex('KDMV') },
  { format: 'vmdk', at: 0, sign: hex('COWD') },
  { format: 'vmdk', at: 0, sign: hex('# Disk Desc') },
  { format: 'qed', at: 0, sign: hex('QED\0') },
];

/** What the first 512 bytes (hexadecimal digits) show a file to be, where it is no disk image that could boot. */
export function natureOf(head: string): string | undefined {
  const compressed = Object.entries({ '1f8b': 'gzip', fd377a585a: 'xz', '28b52ffd': 'zstd', '425a68': 'bzip2' });
  for (const [magic, name] of compressed) {
    if (head.startsWith(magic)) return `it is compressed (${name}): give the URL of the unpacked image`;
  }
  if (head.startsWith('504b0304')) return 'it is a zip archive: give the URL of the image itself';
  const text = Buffer.from(head, 'hex').toString('latin1').trimStart();
  if (/^<(!doctype|html|\?xml|head)/i.test(text)) return 'it is a web page: is there a login or a notice in between?';
  if (head.length === 0) return 'it is empty';
  return undefined;
}

/**
 * The format of a disk image by its first 512 bytes; what has no sign is raw. Told here and not by qemu-img, which opens
 * the other files that an image names before it says so.
 */
export const formatOf = (head: string): string =>
  SIGNS.find(({ at, sign }) => head.startsWith(sign, 2 * at))?.format ?? 'raw';

export const isTaken = (format: string): format is DiskFormat => (TAKEN as readonly string[]).includes(format);

/**
 * Why an image cannot be used as its format has it; undefined where it may be. A qcow2 names a backing file by an offset
 * that is not 0, and a data file by bit 2 of its incompatible features, which version 2 has not (qemu's
 * docs/interop/qcow2). Whatever has no format boots by its boot signature, with a BIOS as with UEFI.
 */
export function faultOf(format: DiskFormat, head: string): string | undefined {
  const bytes = Buffer.from(head, 'hex');
  if (format === 'raw') {
    return head.endsWith('55aa') ? undefined : 'it has no format that is known, and no boot sector';
  }
  if (format !== 'qcow2') return undefined;
  if (bytes.length < 80) return 'it ends before its disk begins';
  const parts = ['its backing file', 'its data file'];
  const named = [bytes.readBigUInt64BE(8) !== 0n, bytes.readUInt32BE(4) > 2 && (bytes[79]! & 4) !== 0];
  const missing = parts.filter((_, i) => named[i]);
  return missing.length > 0
    ? `it needs another file (${missing.join(', ')}), and has to hold all of its data`
    : undefined;
}

function hex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}
