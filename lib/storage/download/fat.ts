/** Reads bytes of a disk: fewer at its end. */
export type ReadDisk = (offset: number, length: number) => Promise<Buffer>;

/** Bytes and clusters that are read of one directory. */
const MAX_DIRECTORY_BYTES = 64 * 1024;
const MAX_DIRECTORY_CLUSTER_COUNT = 32;

const DIRECTORY = 0x10;
const LABEL = 0x08;
const ENTRY_BYTES = 32;

interface Entry {
  /** `BOOTX64.EFI`. */
  name: string;
  cluster: number;
  isDirectory: boolean;
}

/** The layout of a FAT file system: offsets and lengths in bytes. */
interface Layout {
  bits: 12 | 16 | 32;
  fat: number;
  cluster: number;
  clusters: number;
  data: number;
  root: { cluster: number } | { offset: number; length: number };
}

/**
 * Returns the 8.3 names of the files in EFI/BOOT of a FAT file system: firmware without boot entries starts one of them
 * (Microsoft's FAT specification; UEFI 2.10, 3.5.1.1). Empty if there is no such folder or no FAT. At most 32 clusters of a
 * folder are read.
 *
 * @param start the file system's first byte on the disk
 */
export async function bootFiles(read: ReadDisk, start: number): Promise<string[]> {
  const layout = layoutOf(await read(start, 512), start);
  if (layout === undefined) return [];
  let entries = await list(read, layout, layout.root);
  for (const name of ['EFI', 'BOOT']) {
    const folder = entries.find((entry) => entry.isDirectory && entry.name === name);
    if (folder === undefined) return [];
    entries = await list(read, layout, folder);
  }
  return entries.filter((entry) => !entry.isDirectory).map(({ name }) => name);
}

function layoutOf(sector: Buffer, start: number): Layout | undefined {
  if (sector.length < 512 || sector.readUInt16LE(510) !== 0xaa55) return undefined;
  const sectorBytes = sector.readUInt16LE(11);
  const perCluster = sector[13]!;
  if (![512, 1024, 2048, 4096].includes(sectorBytes) || perCluster === 0) return undefined;
  const fatSectors = sector.readUInt16LE(22) || sector.readUInt32LE(36);
  const rootEntries = sector.readUInt16LE(17);
  const fat = start + sector.readUInt16LE(14) * sectorBytes;
  const afterFats = fat + sector[16]! * fatSectors * sectorBytes;
  const rootLength = Math.ceil((rootEntries * ENTRY_BYTES) / sectorBytes) * sectorBytes;
  const data = afterFats + rootLength;
  const cluster = perCluster * sectorBytes;
  const total = (sector.readUInt16LE(19) || sector.readUInt32LE(32)) * sectorBytes;
  const clusters = Math.floor((total - (data - start)) / cluster);
  const bits = rootEntries === 0 ? 32 : clusters < 4085 ? 12 : 16;
  const root = bits === 32 ? { cluster: sector.readUInt32LE(44) } : { offset: afterFats, length: rootLength };
  return { bits, fat, cluster, clusters, data, root };
}

async function list(read: ReadDisk, layout: Layout, folder: Layout['root']): Promise<Entry[]> {
  const parts: Buffer[] = [];
  if ('offset' in folder) {
    parts.push(await read(folder.offset, Math.min(folder.length, MAX_DIRECTORY_BYTES)));
  } else {
    let { cluster } = folder;
    const length = Math.min(layout.cluster, MAX_DIRECTORY_BYTES);
    const most = Math.min(MAX_DIRECTORY_CLUSTER_COUNT, MAX_DIRECTORY_BYTES / length);
    while (cluster >= 2 && cluster < layout.clusters + 2 && parts.length < most) {
      parts.push(await read(layout.data + (cluster - 2) * layout.cluster, length));
      cluster = await nextCluster(read, layout, cluster);
    }
  }
  return entriesOf(Buffer.concat(parts));
}

async function nextCluster(read: ReadDisk, { bits, fat }: Layout, cluster: number): Promise<number> {
  const at = fat + Math.floor((cluster * bits) / 8);
  const bytes = Buffer.concat([await read(at, 4), Buffer.alloc(4)]);
  if (bits === 32) return bytes.readUInt32LE(0) & 0x0fffffff;
  const word = bytes.readUInt16LE(0);
  if (bits === 16) return word;
  return cluster % 2 === 0 ? word & 0xfff : word >> 4;
}

function entriesOf(bytes: Buffer): Entry[] {
  const entries: Entry[] = [];
  for (let at = 0; at + ENTRY_BYTES <= bytes.length && bytes[at] !== 0; at += ENTRY_BYTES) {
    const entry = bytes.subarray(at, at + ENTRY_BYTES);
    const attributes = entry[11]!;
    // Entries of a long name have the label's bit too.
    if (entry[0] === 0xe5 || (attributes & LABEL) !== 0) continue;
    const [base, extension] = [entry.toString('latin1', 0, 8).trimEnd(), entry.toString('latin1', 8, 11).trimEnd()];
    entries.push({
      name: extension ? `${base}.${extension}` : base,
      cluster: entry.readUInt16LE(20) * 0x10000 + entry.readUInt16LE(26),
      isDirectory: (attributes & DIRECTORY) !== 0,
    });
  }
  return entries;
}
