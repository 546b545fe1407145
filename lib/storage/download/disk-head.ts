import { quoted } from '../../util/plain-text.ts';

/** Formats of disk images that are accepted: whatever their content, qemu reads no other file of the worker for them. */
const ACCEPTED = ['qcow2', 'vdi', 'vhdx', 'vpc', 'raw'] as const;

/** A format of disk images that is accepted, by qemu-img's name. */
export type DiskFormat = (typeof ACCEPTED)[number];

/** The magic numbers of formats, as hexadecimal digits. */
const MAGICS: { format: string; at: number; magic: string }[] = [
  { format: 'qcow', at: 0, magic: '514649fb00000001' },
  { format: 'qcow2', at: 0, magic: '514649fb' },
  { format: 'vdi', at: 64, magic: '7f10dabe' },
  { format: 'vhdx', at: 0, magic: hex('vhdxfile') },
  { format: 'vpc', at: 0, magic: hex('conectix') },
  { format: 'vmdk', at: 0, magic: hex('KDMV') },
  { format: 'vmdk', at: 0, magic: hex('COWD') },
  { format: 'vmdk', at: 0, magic: hex('# Disk Desc') },
  { format: 'qed', at: 0, magic: hex('QED\0') },
  { format: 'parallels', at: 0, magic: hex('WithoutFreeSpace') },
  { format: 'parallels', at: 0, magic: hex('WithouFreSpacExt') },
  { format: 'bochs', at: 0, magic: hex('Bochs Virtual HD Image') },
  { format: 'luks', at: 0, magic: '4c554b53babe' },
];

/** Compressions that Recheck unpacks, by the first bytes of the file. */
const COMPRESSIONS = {
  gzip: /^1f8b08/,
  xz: /^fd377a585a00/,
  // Parallel zstd begins with a skippable frame (RFC 8878, 3.1.2).
  zstd: /^(28b52ffd|5.2a4d18)/,
  bzip2: /^425a683[1-9]/,
};

/** A compression that downloads are unpacked from, by the name of its program. */
export type Compression = keyof typeof COMPRESSIONS;

/** Files that are not disks, by their magic numbers. */
const OTHER_FILES: { what: string; at?: number; magic: string }[] = [
  { what: 'a tar archive', at: 257, magic: hex('ustar') },
  { what: 'a zip archive', magic: hex('PK\x03\x04') },
  { what: 'a 7z archive', magic: '377abcaf271c' },
  { what: 'a rar archive', magic: hex('Rar!\x1a') },
  { what: 'a package or ar archive', magic: hex('!<arch>') },
  { what: 'a cpio archive', magic: hex('0707') },
  { what: 'compressed (lz4)', magic: '04224d18' },
  { what: 'compressed (lzip)', magic: hex('LZIP') },
  { what: 'compressed (lzop)', magic: '894c5a4f' },
  { what: 'compressed (compress)', magic: '1f9d' },
  { what: 'a SquashFS file system without a boot sector', magic: hex('hsqs') },
  { what: 'an Android sparse image', magic: '3aff26ed' },
  { what: 'an ELF program', magic: '7f454c46' },
];

/** Characters of a text that a message quotes. */
const MAX_QUOTE_CHARS = 80;

/** What is known about a file besides its first 512 bytes. */
export interface FileFacts {
  /** Bytes. */
  size: number;
  /** Its last 512 bytes, as hexadecimal digits. */
  tail: string;
  /** The 5 bytes at 32769, the magic number of an ISO 9660 file system. */
  iso: string;
}

/** Returns the compression of a file by its first bytes (hexadecimal digits), if it is one that Recheck unpacks. */
export const compressionOf = (head: string): Compression | undefined =>
  (Object.keys(COMPRESSIONS) as Compression[]).find((name) => COMPRESSIONS[name].test(head));

/** Returns what a file is by its first 512 bytes (hexadecimal digits), as a clause, if it is not a disk that can boot. */
export function natureOf(head: string, file?: FileFacts): string | undefined {
  if (head.length === 0) return 'it is empty';
  const compression = compressionOf(head);
  if (compression !== undefined) return `it is compressed (${compression})`;
  const other = OTHER_FILES.find(({ at = 0, magic }) => head.startsWith(magic, 2 * at));
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
  // Other control characters are not text; the first sector of a disk contains zeros.
  const isText = /^[^\0-\x08\x0e-\x1a\x1c-\x1f\x7f]*$/.test(text);
  if (
    /^<(!doctype html|html|head|body)/i.test(text) ||
    (/^<(\?xml|!--)/.test(text) && /<(!doctype )?html/i.test(text))
  ) {
    return 'it is a web page: does the server require a login, or has the file moved?';
  }
  if (!isText) return undefined;
  if (text.startsWith('version https://git-lfs')) {
    return 'it is a Git LFS pointer, which only names the image: give the URL that the image itself is downloaded from';
  }
  const kind = /^<[?!a-z]/i.test(text) ? 'an XML document' : /^[[{]/.test(text) ? 'a JSON document' : 'a text';
  return `it is ${kind}, such as an error of the server: "${quoted(text, 3, MAX_QUOTE_CHARS)}"`;
}

/**
 * Returns the format of a disk image by its first 512 bytes: raw if there is no magic number. Recheck finds this out itself
 * because qemu-img opens the other files that an image names before it reports the format.
 */
export const formatOf = (head: string): string =>
  MAGICS.find(({ at, magic }) => head.startsWith(magic, 2 * at))?.format ?? 'raw';

/** Returns whether images of that format are accepted. */
export const isAccepted = (format: string): format is DiskFormat => (ACCEPTED as readonly string[]).includes(format);

/**
 * Returns why an image of that format cannot be used, or undefined. A raw disk must have a boot signature, for a BIOS as
 * for UEFI.
 */
export function faultOf(format: DiskFormat, head: string, file?: FileFacts): string | undefined {
  const bytes = Buffer.from(head, 'hex');
  switch (format) {
    case 'raw':
      return head.endsWith('55aa') ? undefined : 'its format is not known, and it has no boot sector';
    case 'qcow2':
      return qcow2Fault(bytes);
    case 'vdi':
      return file && vdiEnd(bytes) > file.size ? CUT : undefined;
    case 'vpc':
      // The disk's type is 4 if it is a differencing disk (Microsoft's VHD specification).
      if (bytes.length >= 64 && bytes.readUInt32BE(60) === 4) return needs(['its parent']);
      return file && !file.tail.startsWith(hex('conectix')) ? CUT : undefined;
    default:
      return undefined;
  }
}

/** Why a file that ends too early is refused. */
export const CUT = 'it is cut off: the file ends before its disk does. Is the download or the copy incomplete?';

const needs = (files: readonly string[]): string =>
  `it needs another file (${files.join(', ')}), but must contain all of its data`;

/**
 * A qcow2 file has a backing file if the offset of its name is not 0, and a data file if bit 2 of its incompatible features
 * is set, which version 2 lacks; bit 1 marks it as corrupt (qemu's docs/interop/qcow2).
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

/** Returns the offset in bytes at which the allocated blocks of a VDI end (header version 1.1). */
function vdiEnd(bytes: Buffer): number {
  if (bytes.length < 512) return 0;
  return bytes.readUInt32LE(344) + bytes.readUInt32LE(376) * bytes.readUInt32LE(388);
}

function hex(text: string): string {
  return Buffer.from(text, 'latin1').toString('hex');
}
