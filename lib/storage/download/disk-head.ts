import { quoted } from '../../util/plain-text.ts';

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
  { format: 'parallels', at: 0, sign: hex('WithoutFreeSpace') },
  { format: 'parallels', at: 0, sign: hex('WithouFreSpacExt') },
  { format: 'bochs', at: 0, sign: hex('Bochs Virtual HD Image') },
  { format: 'luks', at: 0, sign: '4c554b53babe' },
];

/** Compressions that are unpacked, by the file's first bytes. */
const COMPRESSIONS = {
  gzip: /^1f8b08/,
  xz: /^fd377a585a00/,
  // Parallel zstd begins with a skippable frame (RFC 8878, 3.1.2).
  zstd: /^(28b52ffd|5.2a4d18)/,
  bzip2: /^425a683[1-9]/,
};

export type Compression = keyof typeof COMPRESSIONS;

/** Files that are no disks, by what they begin with. */
const OTHERS: { what: string; at?: number; sign: string; advice?: string }[] = [
  { what: 'a tar archive', at: 257, sign: hex('ustar') },
  { what: 'a zip archive', sign: hex('PK\x03\x04') },
  { what: 'a 7z archive', sign: '377abcaf271c' },
  { what: 'a rar archive', sign: hex('Rar!\x1a') },
  { what: 'a package or ar archive', sign: hex('!<arch>') },
  { what: 'a cpio archive', sign: hex('0707') },
  { what: 'compressed (lz4)', sign: '04224d18' },
  { what: 'compressed (lzip)', sign: hex('LZIP') },
  { what: 'compressed (lzop)', sign: '894c5a4f' },
  { what: 'compressed (compress)', sign: '1f9d' },
  { what: 'a SquashFS file system without a boot sector', sign: hex('hsqs') },
  { what: 'an Android sparse image', sign: '3aff26ed' },
  { what: 'an ELF program', sign: '7f454c46' },
];

/** Characters of a text that a message quotes. */
const MAX_QUOTE_CHARS = 80;

/** What is known of a file whose first 512 bytes were read. */
export interface FileFacts {
  /** Bytes. */
  size: number;
  /** Its last 512 bytes, as hexadecimal digits. */
  tail: string;
  /** The 5 bytes at 32769, where an ISO 9660 file system has its sign. */
  iso: string;
}

/** The compression of a file by its first bytes (hexadecimal digits); undefined if it has none that is unpacked. */
export const compressionOf = (head: string): Compression | undefined =>
  (Object.keys(COMPRESSIONS) as Compression[]).find((name) => COMPRESSIONS[name].test(head));

/** What the first 512 bytes (hexadecimal digits) show a file to be, if it is no disk image that could boot. */
export function natureOf(head: string, file?: FileFacts): string | undefined {
  if (head.length === 0) return 'it is empty';
  const compression = compressionOf(head);
  if (compression !== undefined) return `it is compressed (${compression})`;
  const other = OTHERS.find(({ at = 0, sign }) => head.startsWith(sign, 2 * at));
  if (other !== undefined) return `it is ${other.what}: give the URL of the disk image itself`;
  if (file?.iso === hex('CD001')) return 'it is a CD (ISO 9660), not an installed disk: use a cloud image';
  return formatOf(head) === 'raw' ? textNature(Buffer.from(head, 'hex')) : undefined;
}

function textNature(bytes: Buffer): string | undefined {
  const wide = bytes[0] === 0xff || bytes[0] === 0xfe ? bytes.filter((byte) => byte !== 0) : bytes;
  const text = Buffer.from(wide)
    .toString('latin1')
    .replace(/^(\xef\xbb\xbf|\xff\xfe|\xfe\xff)/, '')
    .trimStart();
  // Other characters below the space are no text; a disk's begin has zeros.
  const isText = /^[^\0-\x08\x0e-\x1a\x1c-\x1f\x7f]*$/.test(text);
  if (
    /^<(!doctype html|html|head|body)/i.test(text) ||
    (/^<(\?xml|!--)/.test(text) && /<(!doctype )?html/i.test(text))
  ) {
    return 'it is a web page: does the server ask for a login, or has the file moved?';
  }
  if (!isText) return undefined;
  if (text.startsWith('version https://git-lfs')) {
    return 'it is a Git LFS pointer, which only names the image: give the URL that the image itself is downloaded from';
  }
  const kind = /^<[?!a-z]/i.test(text) ? 'an XML document' : /^[[{]/.test(text) ? 'a JSON document' : 'a text';
  return `it is ${kind}, such as an error of the server: "${quoted(text, 3, MAX_QUOTE_CHARS)}"`;
}

/**
 * The format of a disk image by its first 512 bytes; what has no sign is raw. Told here and not by qemu-img, which opens
 * the other files that an image names before it says so.
 */
export const formatOf = (head: string): string =>
  SIGNS.find(({ at, sign }) => head.startsWith(sign, 2 * at))?.format ?? 'raw';

export const isTaken = (format: string): format is DiskFormat => (TAKEN as readonly string[]).includes(format);

/**
 * Why an image cannot be used as its format has it; undefined if it may be. Whatever has no format boots by its boot
 * signature, with a BIOS as with UEFI.
 */
export function faultOf(format: DiskFormat, head: string, file?: FileFacts): string | undefined {
  const bytes = Buffer.from(head, 'hex');
  switch (format) {
    case 'raw':
      return head.endsWith('55aa') ? undefined : 'it has no format that is known, and no boot sector';
    case 'qcow2':
      return qcow2Fault(bytes);
    case 'vdi':
      return file && vdiEnd(bytes) > file.size ? CUT : undefined;
    case 'vpc':
      // The type of the disk is 4 if it is the difference to another one (Microsoft's VHD specification).
      if (bytes.length >= 64 && bytes.readUInt32BE(60) === 4) return needs(['its parent']);
      return file && !file.tail.startsWith(hex('conectix')) ? CUT : undefined;
    default:
      return undefined;
  }
}

/** Why a file is refused that ends too early. */
export const CUT = 'it is cut off: the file ends before its disk does. Is the download or the copy incomplete?';

const needs = (files: readonly string[]): string =>
  `it needs another file (${files.join(', ')}), and has to hold all of its data`;

/**
 * A qcow2 names a backing file by an offset that is not 0, and a data file by bit 2 of its incompatible features, which
 * version 2 has not; bit 1 marks it as corrupt (qemu's docs/interop/qcow2).
 */
function qcow2Fault(bytes: Buffer): string | undefined {
  if (bytes.length < 80) return 'it ends before its disk begins';
  const features = bytes.readUInt32BE(4) > 2 ? bytes[79]! : 0;
  const named = [bytes.readBigUInt64BE(8) !== 0n && 'its backing file', (features & 4) !== 0 && 'its data file'];
  const missing = named.filter((one) => one !== false);
  if (missing.length > 0) return needs(missing);
  if (bytes.readUInt32BE(32) !== 0) return 'it is encrypted, and no guest has its key';
  return (features & 2) !== 0 ? 'it is marked as corrupt' : undefined;
}

/** Where the allocated blocks of a VDI end, in bytes (its header, version 1.1). */
function vdiEnd(bytes: Buffer): number {
  if (bytes.length < 512) return 0;
  return bytes.readUInt32LE(344) + bytes.readUInt32LE(376) * bytes.readUInt32LE(388);
}

function hex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}
