import {
  badImageUrl,
  checksumFileUseless,
  checksumWrong,
  downloadEnded,
  downloadRefused,
  fileTooLarge,
  notAnImage,
  otherMachine,
  sourceChanging,
} from '../../errors/image-download.ts';
import { commandMissing, saysDiskFull, spaceRunsOut, storageFull, workFailed } from '../../errors/storage.ts';
import type { Host } from '../../ssh/types.ts';
import type { ImageSource } from '../../worker/types.ts';
import { architecturesOf, machinesOf } from './architecture.ts';
import { type Checksum, findChecksum, readChecksum } from './checksum.ts';
import { type Compression, compressionOf } from './disk-head.ts';
import { bytesOf, examine, type Subject } from './examine.ts';
import { COPY, FETCH, FETCH_EXIT, FINISH } from './fetch-programs.ts';
import { type Course, type FetchOptions, firstSaid, lastSaid, megabytes, runFetch } from './fetch-run.ts';
import { MAX_SUMS_BYTES, SUMS, UNPACK } from './unpack-programs.ts';

export { diskBytes } from './examine.ts';
export type { FetchOptions } from './fetch-run.ts';

/** MiB that a download, and what it unpacks to, may have if no disk size is set. */
const MAX_MIB = 256 * 1024;

/** MiB that a file may be larger than its disk: an image format's own data. */
const SLACK_MIB = 256;

/** Milliseconds to read a checksum file: each of three tries has a limit of its own. */
const SUMS_TIMEOUT_MS = 240_000;

type UrlSource = Extract<ImageSource, { kind: 'url' }>;

/** A checksum that a file must have, and the checksum file that lists it. */
type Wanted = Checksum & { listedAt?: string };

/**
 * Brings the files of an image's source into a folder of the worker: a download is checked, unpacked, and becomes
 * `vda.qcow2`, grown to its disk size; the files of a folder are copied. A download that broke off is resumed by the
 * next call with the same folder.
 *
 * @throws CiError that says how far it came and why it ended
 */
export async function fetchImage(
  host: Host,
  image: string,
  source: UrlSource | Extract<ImageSource, { kind: 'directory' }>,
  dir: string,
  options: FetchOptions,
): Promise<void> {
  if (source.kind === 'directory') {
    options.onProgress?.('copying');
    const { code, course } = await runFetch(host, COPY, { FROM: source.path, DIR: dir }, options);
    if (code === FETCH_EXIT.noFile) throw downloadRefused(image, source.path, `it is no folder on ${host.label}`);
    if (code === FETCH_EXIT.changing) throw sourceChanging(image, source.path, host.label);
    if (code !== 0) throw fault(`Image ${image}`, host, course.said);
    return;
  }
  const place = placeOf(image, source.url);
  const subject = { image, from: place.shown, host, dir };
  const fetched = await download(subject, place, source, options);
  const course = await unpack(subject, source, fetched, options);
  const { format, size } = await examine(subject, course, source.diskSize, options);
  options.onProgress?.(format === 'qcow2' ? 'finishing' : `converting from ${format}`);
  const wanted = bytesOf(source.diskSize);
  const env = { DIR: dir, FORMAT: format, SIZE: wanted > size ? String(wanted) : '' };
  const { code, course: end } = await runFetch(host, FINISH, env, { signal: options.signal });
  if (code !== 0) throw fault(`Image ${image}`, host, end.said);
}

/** Where a file comes from: for the program, and as messages show it, without a password. */
export interface Place {
  env: { URL: string; FROM: string };
  shown: string;
}

/** @throws CiError if it is no URL that can be fetched */
export function placeOf(image: string, text: string): Place {
  let url: URL;
  let path: string;
  try {
    url = new URL(text.trim());
    path = decodeURIComponent(url.pathname);
  } catch {
    throw badImageUrl(image, text);
  }
  if (url.protocol === 'file:') {
    if ((url.host !== '' && url.host !== 'localhost') || /[\0\r\n]/.test(path)) throw badImageUrl(image, text);
    return { env: { URL: '', FROM: path }, shown: path };
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw badImageUrl(image, text);
  const shown = new URL(url);
  shown.username = '';
  shown.password = '';
  shown.search = '';
  return { env: { URL: url.href, FROM: '' }, shown: shown.href };
}

/** The decoded path of a place's URL. */
const pathOf = ({ env }: Place): string => env.FROM || decodeURIComponent(new URL(env.URL).pathname);

/** Brings the file as it is published, with the checksum that it must have. */
async function download(subject: Subject, place: Place, source: UrlSource, options: FetchOptions): Promise<Course> {
  const { image, from, host, dir } = subject;
  const named = architecturesOf(pathOf(place));
  const wanted = await wantedChecksum(subject, place, source, options);
  const env = {
    ...place.env,
    DIR: dir,
    ALGORITHM: wanted?.algorithm ?? '',
    SUM: wanted?.hex ?? '',
    MACHINES: machinesOf(named).join(' '),
    MAX_MIB: String(mostMib(source, 2)),
  };
  const { code, course } = await runFetch(host, FETCH, env, options);
  if (code === 0) return course;
  const { have, total } = course;
  switch (code) {
    case FETCH_EXIT.noCurl:
      throw commandMissing(host.label, 'curl', 'curl');
    case FETCH_EXIT.noFile:
      throw downloadRefused(image, from, `there is no such file on ${host.label}`);
    case FETCH_EXIT.changing:
      throw sourceChanging(image, from, host.label);
    case FETCH_EXIT.refused:
      throw downloadRefused(image, from, `the server answered ${course.code}`);
    case FETCH_EXIT.gaveUp:
      throw downloadEnded(image, from, megabytes(have), megabytes(total), lastSaid(course));
    case FETCH_EXIT.checksum:
      throw checksumWrong(image, from, host.label, wanted!, course.sum);
    case FETCH_EXIT.machine: {
      const found = { evidence: 'its name', archs: named, machine: course.machine };
      throw otherMachine(image, from, host.label, found);
    }
    default:
      throw spaceFault(subject, source, 'has', 2, code) ?? fault(`Image ${image}`, host, course.said);
  }
}

/** The checksum that is set, or that the checksum file lists now. */
async function wantedChecksum(
  { image, host, dir }: Subject,
  place: Place,
  source: UrlSource,
  { signal }: FetchOptions,
): Promise<Wanted | undefined> {
  const setting = readChecksum(image, source.sha256 ?? '');
  if (setting === undefined || 'hex' in setting) return setting;
  const sums = placeOf(image, setting.url);
  const useless = (why: string): Error => checksumFileUseless(image, sums.shown, host.label, why);
  const env = Object.entries({ ...sums.env, DIR: dir }).map(([name, value]) => `${name}=${value}`);
  const options = { signal, timeout: SUMS_TIMEOUT_MS, limit: MAX_SUMS_BYTES + 1024 };
  const { code, stdout, stderr } = await host.run(['env', ...env, '/bin/sh', '-c', SUMS], options);
  if (code === FETCH_EXIT.noCurl) throw commandMissing(host.label, 'curl', 'curl');
  if (code === FETCH_EXIT.noFile) throw useless('is not there');
  if (code !== 0) throw useless(`cannot be read: ${sumsFault(`${stdout}\n${stderr}`)}`);
  if (Buffer.byteLength(stdout) > MAX_SUMS_BYTES) throw useless(`is larger than ${MAX_SUMS_BYTES / 2 ** 20} MiB`);
  const found = findChecksum(stdout, pathOf(place));
  if (typeof found === 'string') throw useless(found);
  return { ...found, listedAt: sums.shown };
}

function sumsFault(said: string): string {
  const [, status = ''] = /^@code ([1-9]\d*)$/m.exec(said) ?? [];
  const [, why = 'the worker could not fetch it'] = /^curl: \(\d+\) (.*)$/m.exec(said) ?? [];
  return /^[45]/.test(status) ? `the server answered ${status}` : why;
}

const PACKAGES: Record<Compression, string> = { xz: 'xz-utils', gzip: 'gzip', zstd: 'zstd', bzip2: 'bzip2' };

/** Unpacks the file if its first bytes say that it is compressed, whatever its name. */
async function unpack(subject: Subject, source: UrlSource, fetched: Course, options: FetchOptions): Promise<Course> {
  const { image, from, host, dir } = subject;
  const tool = compressionOf(fetched.head);
  if (tool === undefined) return fetched;
  options.onProgress?.('unpacking');
  const env = { DIR: dir, TOOL: tool, MAX_MIB: String(mostMib(source, 1)) };
  const { code, course } = await runFetch(host, UNPACK, env, options);
  const refuse = (why: string): Error => notAnImage(image, from, host.label, why);
  if (code === FETCH_EXIT.noTool) throw commandMissing(host.label, tool, PACKAGES[tool]);
  if (code === FETCH_EXIT.damaged) {
    throw refuse(`it is compressed (${tool}) and damaged or cut off: ${firstSaid(course)}`);
  }
  if (code !== 0) {
    throw spaceFault(subject, source, 'unpacks to', 1, code) ?? fault(`Image ${image}`, host, course.said);
  }
  const again = compressionOf(course.head);
  if (again !== undefined) throw refuse(`it is compressed twice (${again} in ${tool}): publish it compressed once`);
  // What was unpacked without a fault is complete.
  return { ...course, machine: fetched.machine, isIntact: true };
}

/**
 * MiB that a file of the image may have: some more than its disk, or, since a compressed or a growing file says little of
 * that, several times as much.
 */
const mostMib = ({ diskSize }: UrlSource, times: number): number =>
  diskSize === undefined ? MAX_MIB : times * Math.ceil(diskSize * 1024) + SLACK_MIB;

function spaceFault(subject: Subject, source: UrlSource, what: string, times: number, code: number): Error | undefined {
  const { image, from, host } = subject;
  if (code === FETCH_EXIT.full) return spaceRunsOut(image, from, host.label);
  if (code !== FETCH_EXIT.tooLarge) return undefined;
  const limit = mostMib(source, times) / 1024;
  return fileTooLarge(image, from, host.label, what, limit, source.diskSize !== undefined);
}

const fault = (what: string, host: Host, said: string): Error =>
  saysDiskFull(said) ? storageFull(what, host.label) : workFailed(what, host.label, said);
