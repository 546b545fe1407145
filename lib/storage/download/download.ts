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
import { bytesOf, examineDisk, type Subject } from './examine.ts';
import { type FetchOptions, type FetchReport, firstSaid, lastSaid, megabytes, runFetch } from './fetch-run.ts';
import { COPY, FETCH, FETCH_EXIT, FINISH, SUMS, UNPACK } from './programs.ts';

export { diskBytes } from './examine.ts';
export type { FetchOptions } from './fetch-run.ts';

/** MiB that a download, and the file that it unpacks to, may have if no disk size is set. */
const MAX_MIB = 256 * 1024;

/** MiB that a file may be larger than its disk, for the metadata of its format. */
const FORMAT_OVERHEAD_MIB = 256;

/** Bytes that a checksum file may have. */
const MAX_SUMS_BYTES = 4 * 2 ** 20;

/** Milliseconds that reading a checksum file may take: sums.sh limits each of its three tries. */
const SUMS_TIMEOUT_MS = 240_000;

type UrlSource = Extract<ImageSource, { kind: 'url' }>;

/** A checksum that a file must have, and the checksum file that lists it. */
type Wanted = Checksum & { listedAt?: string };

/**
 * Fetches the files of an image's source into a folder on the worker: a download is checked, unpacked, and becomes
 * `vda.qcow2`, grown to its disk size; the files of a folder are copied. An interrupted download is resumed by the next
 * call with the same folder.
 *
 * @throws CiError that says how far it got and why it ended
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
    const { code, report } = await runFetch(host, COPY, { FROM: source.path, DIR: dir }, options);
    if (code === FETCH_EXIT.noFile) throw downloadRefused(image, source.path, `it is not a folder on ${host.label}`);
    if (code === FETCH_EXIT.changing) throw sourceChanging(image, source.path, host.label);
    if (code !== 0) throw fault(`Image ${image}`, host, report.said);
    return;
  }
  const file = parseFileUrl(image, source.url);
  const subject = { image, from: file.shown, host, dir };
  const fetched = await download(subject, file, source, options);
  const report = await unpack(subject, source, fetched, options);
  const { format, size } = await examineDisk(subject, report, source.diskSize, options);
  options.onProgress?.(format === 'qcow2' ? 'finishing' : `converting from ${format}`);
  const wanted = bytesOf(source.diskSize);
  const env = { DIR: dir, FORMAT: format, SIZE: wanted > size ? String(wanted) : '' };
  const { code, report: end } = await runFetch(host, FINISH, env, { signal: options.signal });
  if (code !== 0) throw fault(`Image ${image}`, host, end.said);
}

/** The address of a file: for the program, and as messages show it, without a password. */
export interface FileUrl {
  env: { URL: string; FROM: string };
  shown: string;
}

/**
 * Parses the URL of an image or checksum file.
 *
 * @throws CiError if it is not an HTTP, HTTPS or file URL
 */
export function parseFileUrl(image: string, text: string): FileUrl {
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

/** Returns the decoded path of a file's URL. */
const decodedPath = ({ env }: FileUrl): string => env.FROM || decodeURIComponent(new URL(env.URL).pathname);

/** Fetches the file as it is published, and compares its checksum. */
async function download(
  subject: Subject,
  file: FileUrl,
  source: UrlSource,
  options: FetchOptions,
): Promise<FetchReport> {
  const { image, from, host, dir } = subject;
  const named = architecturesOf(decodedPath(file));
  const wanted = await wantedChecksum(subject, file, source, options);
  const env = {
    ...file.env,
    DIR: dir,
    ALGORITHM: wanted?.algorithm ?? '',
    SUM: wanted?.hex ?? '',
    MACHINES: machinesOf(named).join(' '),
    MAX_MIB: String(maxMib(source, 2)),
  };
  const { code, report } = await runFetch(host, FETCH, env, options);
  if (code === 0) return report;
  const { have, total } = report;
  switch (code) {
    case FETCH_EXIT.noCurl:
      throw commandMissing(host.label, 'curl', 'curl');
    case FETCH_EXIT.noFile:
      throw downloadRefused(image, from, `there is no such file on ${host.label}`);
    case FETCH_EXIT.changing:
      throw sourceChanging(image, from, host.label);
    case FETCH_EXIT.refused:
      throw downloadRefused(image, from, `the server answered ${report.code}`);
    case FETCH_EXIT.gaveUp:
      throw downloadEnded(image, from, megabytes(have), megabytes(total), lastSaid(report));
    case FETCH_EXIT.checksum:
      throw checksumWrong(image, from, host.label, wanted!, report.sum);
    case FETCH_EXIT.machine: {
      const found = { evidence: 'its name', archs: named, machine: report.machine };
      throw otherMachine(image, from, host.label, found);
    }
    default:
      throw spaceFault(subject, source, 'has', 2, code) ?? fault(`Image ${image}`, host, report.said);
  }
}

/** Returns the checksum that is set, or that the checksum file lists now. */
async function wantedChecksum(
  { image, host, dir }: Subject,
  file: FileUrl,
  source: UrlSource,
  { signal }: FetchOptions,
): Promise<Wanted | undefined> {
  const setting = readChecksum(image, source.sha256 ?? '');
  if (setting === undefined || 'hex' in setting) return setting;
  const sums = parseFileUrl(image, setting.url);
  const useless = (why: string): Error => checksumFileUseless(image, sums.shown, host.label, why);
  const settings = { ...sums.env, DIR: dir, MAX_BYTES: String(MAX_SUMS_BYTES) };
  const env = Object.entries(settings).map(([name, value]) => `${name}=${value}`);
  const options = { signal, timeout: SUMS_TIMEOUT_MS, limit: MAX_SUMS_BYTES + 1024 };
  const { code, stdout, stderr } = await host.run(['env', ...env, '/bin/sh', '-c', SUMS], options);
  if (code === FETCH_EXIT.noCurl) throw commandMissing(host.label, 'curl', 'curl');
  if (code === FETCH_EXIT.noFile) throw useless('does not exist');
  if (code !== 0) throw useless(`cannot be read: ${sumsFault(`${stdout}\n${stderr}`)}`);
  if (Buffer.byteLength(stdout) > MAX_SUMS_BYTES) throw useless(`is larger than ${MAX_SUMS_BYTES / 2 ** 20} MiB`);
  const found = findChecksum(stdout, decodedPath(file));
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
async function unpack(
  subject: Subject,
  source: UrlSource,
  fetched: FetchReport,
  options: FetchOptions,
): Promise<FetchReport> {
  const { image, from, host, dir } = subject;
  const tool = compressionOf(fetched.head);
  if (tool === undefined) return fetched;
  options.onProgress?.('unpacking');
  const env = { DIR: dir, TOOL: tool, MAX_MIB: String(maxMib(source, 1)) };
  const { code, report } = await runFetch(host, UNPACK, env, options);
  const refuse = (why: string): Error => notAnImage(image, from, host.label, why);
  if (code === FETCH_EXIT.noTool) throw commandMissing(host.label, tool, PACKAGES[tool]);
  if (code === FETCH_EXIT.damaged) {
    throw refuse(`it is compressed (${tool}), and damaged or cut off: ${firstSaid(report)}`);
  }
  if (code !== 0) {
    throw spaceFault(subject, source, 'unpacks to', 1, code) ?? fault(`Image ${image}`, host, report.said);
  }
  const again = compressionOf(report.head);
  if (again !== undefined) throw refuse(`it is compressed twice (${again} in ${tool}): publish it compressed once`);
  // A file that could be unpacked is complete.
  return { ...report, machine: fetched.machine, isIntact: true };
}

/**
 * Returns how many MiB a file of the image may have: some more than its disk, or several times as much if little is known
 * of the disk, as of a compressed file.
 */
const maxMib = ({ diskSize }: UrlSource, times: number): number =>
  diskSize === undefined ? MAX_MIB : times * Math.ceil(diskSize * 1024) + FORMAT_OVERHEAD_MIB;

function spaceFault(subject: Subject, source: UrlSource, what: string, times: number, code: number): Error | undefined {
  const { image, from, host } = subject;
  if (code === FETCH_EXIT.full) return spaceRunsOut(image, from, host.label);
  if (code !== FETCH_EXIT.tooLarge) return undefined;
  const limit = maxMib(source, times) / 1024;
  return fileTooLarge(image, from, host.label, what, limit, source.diskSize !== undefined);
}

const fault = (what: string, host: Host, said: string): Error =>
  saysDiskFull(said) ? storageFull(what, host.label) : workFailed(what, host.label, said);
