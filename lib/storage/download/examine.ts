import { diskTooLarge, notAnImage, otherMachine, unknownFormat } from '../../errors/image-download.ts';
import { commandMissing } from '../../errors/storage.ts';
import type { Host } from '../../ssh/types.ts';
import { isRecord } from '../../util/is-record.ts';
import { architecturesOfBootFiles, architecturesOfTypes, machinesOf } from './architecture.ts';
import { CUT, type DiskFormat, faultOf, formatOf, isTaken, natureOf } from './disk-head.ts';
import { CHECK, INFO, READ } from './examine-programs.ts';
import { bootFiles, type ReadDisk } from './fat.ts';
import { type Course, type FetchOptions, lastSaid, runFetch } from './fetch-run.ts';
import { isEsp, partitionsOf, TABLE_BYTES } from './partitions.ts';

const GIB = 2 ** 30;

/** GiB of a disk, as the form limits its size. */
const MAX_DISK_GIB = 65_536;

/** What a refusal names. */
export interface Subject {
  image: string;
  /** Where the file comes from, without a password. */
  from: string;
  host: Host;
  /** The worker's folder of the image. */
  dir: string;
}

export interface Examined {
  format: DiskFormat;
  /** Bytes of the disk as a guest sees it. */
  size: number;
}

/**
 * Checks the file `.download` of a folder on the worker before any guest boots from it: that it is a disk image of a format
 * that is taken, holds all of its data, fits its disk size, and is for this machine as far as its partitions tell.
 *
 * @param course what was read of the file; @param diskSize GiB that are set
 * @throws CiError that says why it is refused
 */
export async function examine(
  subject: Subject,
  course: Course,
  diskSize: number | undefined,
  { signal }: FetchOptions,
): Promise<Examined> {
  const { image, from, host } = subject;
  const refuse = (why: string): Error => notAnImage(image, from, host.label, why);
  const { head, file } = course;
  const nature = natureOf(head, file);
  if (nature !== undefined) throw refuse(nature);
  const format = formatOf(head);
  if (!isTaken(format)) throw unknownFormat(image, from, host.label, format);
  // A disk that reads another file of the worker would show it to its guests.
  const fault = faultOf(format, head, file);
  if (fault !== undefined) throw refuse(fault);

  const info = await diskInfo(subject, format, signal);
  if (info.size === 0) throw refuse(info.why || 'its disk has no bytes');
  if (info.size > MAX_DISK_GIB * GIB) throw refuse(`its disk is larger than ${MAX_DISK_GIB} GiB`);
  const wanted = bytesOf(diskSize);
  if (wanted > 0 && wanted < info.size) throw diskTooLarge(image, from, host.label, info.size / GIB, diskSize!);
  if (format !== 'raw') await checkDisk(subject, course, format, info, signal);
  await checkPartitions(subject, course.machine, format, info.size, signal);
  return { format, size: info.size };
}

/** @param diskSize GiB */
export const bytesOf = (diskSize: number | undefined): number =>
  diskSize === undefined ? 0 : Math.round(diskSize * GIB);

/** Bytes of the disk, as `qemu-img info --output=json` says; 0 if it does not. */
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
    // The first line tells more than the last one: "Invalid argument".
    const said = stderr.trim().split('\n', 1)[0]!;
    const why = said.replaceAll(/qemu-img: |Could not open '[^']*': /g, '').slice(0, 300) || 'no reason given';
    return { size: 0, isDirty: false, why: `it is damaged, cut off or not known to qemu-img: ${why}` };
  }
  return { size: diskBytes(stdout), isDirty: infoOf(stdout)['dirty-flag'] === true, why: '' };
}

async function checkDisk(
  { image, from, host, dir }: Subject,
  { isIntact }: Course,
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
  const { course } = await runFetch(host, CHECK, env, { signal });
  if (course.isCut) throw notAnImage(image, from, host.label, CUT);
  // Leaked clusters (3) only take space; 63: the format has no check.
  if ([0, 3, 63].includes(course.check)) return;
  const isShort = /end of the file|outside image/.test(course.said);
  const said = lastSaid(course).replaceAll(`${dir}/.download`, 'the file').slice(0, 200);
  const fault = isShort ? 'data is missing at its end' : said || `it ended with ${course.check}`;
  throw notAnImage(image, from, host.label, `it is damaged or cut off, says qemu-img check: ${fault}`);
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

/** Reads the disk as its guest sees it. What cannot be read is left out. */
function reader(host: Host, dir: string, format: DiskFormat, size: number, signal: AbortSignal): ReadDisk {
  return async (offset, length) => {
    const bytes = Math.min(length, size - offset);
    if (!Number.isSafeInteger(offset) || offset < 0 || bytes <= 0) return Buffer.alloc(0);
    const env = [`DIR=${dir}`, `FORMAT=${format}`, `OFFSET=${offset}`, `LENGTH=${bytes}`];
    const { stdout } = await host.run(['env', ...env, '/bin/sh', '-c', READ], { signal });
    return readDump(stdout).subarray(0, bytes);
  };
}

/** The bytes of qemu-io's dump: `00000000:  51 46 49 fb …  QFI.`. */
export function readDump(text: string): Buffer {
  const lines = text.split('\n').flatMap((line) => /^[0-9a-f]{8,}: {2}((?:[0-9a-f]{2} ){1,16})/.exec(line)?.[1] ?? []);
  return Buffer.from(lines.join('').replaceAll(' ', ''), 'hex');
}
