import { diskTooLarge, notAnImage, otherMachine, unknownFormat } from '../../errors/image-download.ts';
import { commandMissing } from '../../errors/storage.ts';
import type { Host } from '../../ssh/types.ts';
import { isRecord } from '../../util/is-record.ts';
import { architecturesOfBootFiles, architecturesOfTypes, machinesOf } from './architecture.ts';
import { CUT, type DiskFormat, faultOf, formatOf, isAccepted, natureOf } from './disk-head.ts';
import { bootFiles, type ReadDisk } from './fat.ts';
import { type FetchOptions, type FetchReport, lastSaid, runFetch } from './fetch-run.ts';
import { isEsp, partitionsOf, TABLE_BYTES } from './partitions.ts';
import { CHECK, INFO, READ } from './programs.ts';

const GIB_BYTES = 2 ** 30;

/** GiB that a disk may have: the form has the same limit. */
const MAX_DISK_GIB = 65_536;

/** What is examined, and where. */
export interface Subject {
  image: string;
  /** Address of the file, without a password. */
  from: string;
  host: Host;
  /** The worker's folder of the image. */
  dir: string;
}

/** Facts about a disk image that was accepted. */
export interface DiskFacts {
  format: DiskFormat;
  /** Bytes of the disk that a guest sees. */
  size: number;
}

/**
 * Checks the file `.download` of a folder on the worker before any guest boots from it: it must be a disk image in an
 * accepted format, contain all of its data, fit the disk size that is set, and, as far as its partitions tell, be for this
 * machine.
 *
 * @param report what was read of the file
 * @param diskSize GiB that are set
 * @throws CiError that says why it is refused
 */
export async function examineDisk(
  subject: Subject,
  report: FetchReport,
  diskSize: number | undefined,
  { signal }: FetchOptions,
): Promise<DiskFacts> {
  const { image, from, host } = subject;
  const refuse = (why: string): Error => notAnImage(image, from, host.label, why);
  const { head, file } = report;
  const nature = natureOf(head, file);
  if (nature !== undefined) throw refuse(nature);
  const format = formatOf(head);
  if (!isAccepted(format)) throw unknownFormat(image, from, host.label, format);
  // A disk that reads another file of the worker would expose it to its guests.
  const fault = faultOf(format, head, file);
  if (fault !== undefined) throw refuse(fault);

  const info = await diskInfo(subject, format, signal);
  if (info.size === 0) throw refuse(info.why || 'its disk has no bytes');
  if (info.size > MAX_DISK_GIB * GIB_BYTES) throw refuse(`its disk is larger than ${MAX_DISK_GIB} GiB`);
  const wanted = bytesOf(diskSize);
  if (wanted > 0 && wanted < info.size) throw diskTooLarge(image, from, host.label, info.size / GIB_BYTES, diskSize!);
  if (format !== 'raw') await checkDisk(subject, report, format, info, signal);
  await checkPartitions(subject, report.machine, format, info.size, signal);
  return { format, size: info.size };
}

/** Returns the bytes of a disk size in GiB; 0 if none is set. */
export const bytesOf = (diskSize: number | undefined): number =>
  diskSize === undefined ? 0 : Math.round(diskSize * GIB_BYTES);

/** Returns the bytes of the disk from the output of `qemu-img info --output=json`; 0 if it has none. */
export const diskBytes = (json: string): number => Number(infoOf(json)['virtual-size'] ?? 0);

function infoOf(json: string): Record<string, unknown> {
  try {
    const info: unknown = JSON.parse(json);
    return isRecord(info) ? info : {};
  } catch {
    return {};
  }
}

async function diskInfo(
  { host, dir }: Subject,
  format: DiskFormat,
  signal: AbortSignal,
): Promise<{ size: number; isDirty: boolean; why: string }> {
  const argv = ['env', `DIR=${dir}`, `FORMAT=${format}`, '/bin/sh', '-c', INFO];
  const { code, stdout, stderr } = await host.run(argv, { signal });
  if (code === 127) throw commandMissing(host.label, 'qemu-img', 'qemu-utils');
  if (code !== 0) {
    // The last line is often just "Invalid argument".
    const said = stderr.trim().split('\n', 1)[0]!;
    const why = said.replaceAll(/qemu-img: |Could not open '[^']*': /g, '').slice(0, 300) || 'no reason given';
    return { size: 0, isDirty: false, why: `it is damaged, cut off or unknown to qemu-img: ${why}` };
  }
  return { size: diskBytes(stdout), isDirty: infoOf(stdout)['dirty-flag'] === true, why: '' };
}

async function checkDisk(
  { image, from, host, dir }: Subject,
  { isIntact }: FetchReport,
  format: DiskFormat,
  { size, isDirty }: { size: number; isDirty: boolean },
  signal: AbortSignal,
): Promise<void> {
  const env = {
    DIR: dir,
    FORMAT: format,
    INTACT: isIntact ? '1' : '',
    DIRTY: isDirty ? '1' : '',
    VIRTUAL_SIZE: String(size),
  };
  const { report } = await runFetch(host, CHECK, env, { signal });
  if (report.isCut) throw notAnImage(image, from, host.label, CUT);
  // Leaked clusters (3) only take space; 63: the format has no check.
  if ([0, 3, 63].includes(report.check)) return;
  const isShort = /end of the file|outside image/.test(report.said);
  const said = lastSaid(report).replaceAll(`${dir}/.download`, 'the file').slice(0, 200);
  const fault = isShort ? 'data is missing at its end' : said || `exit code ${report.check}`;
  throw notAnImage(image, from, host.label, `qemu-img check found it damaged or cut off: ${fault}`);
}

async function checkPartitions(
  { image, from, host, dir }: Subject,
  machine: string,
  format: DiskFormat,
  size: number,
  signal: AbortSignal,
): Promise<void> {
  const read = reader(host, dir, format, size, signal);
  const partitions = partitionsOf(await read(0, TABLE_BYTES));
  if (partitions.some(({ end }) => end > size)) throw notAnImage(image, from, host.label, CUT);
  if (machine === '') return;
  const esp = partitions.find(isEsp);
  const byBootFile = architecturesOfBootFiles(esp ? await bootFiles(read, esp.start) : []);
  const byType = architecturesOfTypes(partitions.map(({ type }) => type));
  const [archs, evidence] =
    byBootFile.length > 0 ? [byBootFile, 'its EFI boot file'] : [byType, "its root partition's type"];
  if (archs.length === 0 || machinesOf(archs).includes(machine)) return;
  throw otherMachine(image, from, host.label, { evidence, archs, machine });
}

/** Returns a function that reads the disk as a guest sees it. Bytes that cannot be read are left out. */
function reader(host: Host, dir: string, format: DiskFormat, size: number, signal: AbortSignal): ReadDisk {
  return async (offset, length) => {
    const bytes = Math.min(length, size - offset);
    if (!Number.isSafeInteger(offset) || offset < 0 || bytes <= 0) return Buffer.alloc(0);
    const env = [`DIR=${dir}`, `FORMAT=${format}`, `OFFSET=${offset}`, `LENGTH=${bytes}`];
    const { stdout } = await host.run(['env', ...env, '/bin/sh', '-c', READ], { signal });
    return readDump(stdout).subarray(0, bytes);
  };
}

/** Returns the bytes of qemu-io's dump: `00000000:  51 46 49 fb …  QFI.`. */
export function readDump(text: string): Buffer {
  const lines = text.split('\n').flatMap((line) => /^[0-9a-f]{8,}: {2}((?:[0-9a-f]{2} ){1,16})/.exec(line)?.[1] ?? []);
  return Buffer.from(lines.join('').replaceAll(' ', ''), 'hex');
}
