import {
  badImageUrl,
  checksumWrong,
  commandMissing,
  diskTooLarge,
  downloadEnded,
  downloadRefused,
  isFull,
  notAnImage,
  storageFull,
  unknownFormat,
  workFailed,
} from '../errors/image.ts';
import { isRecord } from '../model/record.ts';
import { runScript } from '../ssh/script.ts';
import type { Host } from '../ssh/types.ts';
import type { ImageSource } from '../worker/types.ts';
import { COPY, FETCH, FETCH_EXIT, FINISH } from './fetch-programs.ts';

/** Milliseconds that bringing one image may take in all; a download that stands still ends long before. */
const LIMIT = 6 * 3600_000;

/** Characters kept of what the worker's commands say. */
const SAID = 2000;

const GIB = 2 ** 30;

/** What qemu-img may make a disk of. Each holds all of its data in the one file. */
const FORMATS = new Set(['qcow2', 'raw', 'qcow', 'vmdk', 'vdi', 'vhdx', 'vpc', 'qed']);

export interface FetchOptions {
  signal: AbortSignal;
  onProgress?: ((text: string) => void) | undefined;
}

/** How a fetch goes, read from its lines. */
interface Course {
  have: number;
  total: number;
  code: number;
  sum: string;
  head: string;
  /** What commands said. */
  said: string;
}

/**
 * Brings the files of an image's source into a folder of the worker: a download becomes `vda.qcow2`, grown to its disk
 * size; the files of a folder are copied. A download that broke off is gone on with at the next call with the same folder.
 *
 * @throws CiError that says how far it came and why it ended
 */
export async function fetchImage(
  host: Host,
  image: string,
  source: Extract<ImageSource, { kind: 'url' | 'directory' }>,
  dir: string,
  options: FetchOptions,
): Promise<void> {
  if (source.kind === 'directory') {
    options.onProgress?.('copying');
    const { code, course } = await run(host, COPY, { FROM: source.path, DIR: dir }, options);
    if (code === FETCH_EXIT.noFile) throw downloadRefused(image, source.path, `it is no folder on ${host.label}`);
    if (code !== 0) throw fault(`Image ${image}`, host, course.said);
    return;
  }
  const place = placeOf(image, source.url);
  const wanted = source.sha256?.trim().toLowerCase() ?? '';
  const { code, course } = await run(host, FETCH, { ...place.env, DIR: dir, SHA256: wanted }, options);
  if (code !== 0) throw fetchFault(host, image, place, wanted, code, course);
  const nature = natureOf(course.head);
  if (nature !== undefined) throw notAnImage(image, place.shown, nature);
  await finish(host, image, place.shown, source.diskSize, course.head, dir, options);
}

/** Where an image comes from: for the program, and as messages show it, without a password. */
export interface Place {
  env: { URL: string; FROM: string };
  shown: string;
}

/** @throws CiError where it is no URL that can be fetched */
export function placeOf(image: string, text: string): Place {
  let url: URL;
  try {
    url = new URL(text.trim());
  } catch {
    throw badImageUrl(image, text);
  }
  if (url.protocol === 'file:') {
    if (url.host !== '' && url.host !== 'localhost') throw badImageUrl(image, text);
    const path = decodeURIComponent(url.pathname);
    return { env: { URL: '', FROM: path }, shown: path };
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw badImageUrl(image, text);
  const shown = new URL(url);
  shown.username = '';
  shown.password = '';
  shown.search = '';
  return { env: { URL: url.href, FROM: '' }, shown: shown.href };
}

/** What the first 512 bytes (hex) show a file to be, where it is no disk image that could boot; undefined where it may be. */
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

async function finish(
  host: Host,
  image: string,
  shown: string,
  diskSize: number | undefined,
  head: string,
  dir: string,
  options: FetchOptions,
): Promise<void> {
  const { signal, onProgress } = options;
  const result = await host.run(['qemu-img', 'info', '--output=json', `${dir}/.download`], { signal });
  if (result.code === 127) throw commandMissing(host.label, 'qemu-img', 'qemu-utils');
  if (result.code !== 0) throw fault(`Image ${image}`, host, result.stderr);
  const { format, size, outside } = readInfo(result.stdout);
  if (!FORMATS.has(format)) throw unknownFormat(image, shown, format);
  // A disk that reads another file of the worker would show it to its guests.
  if (outside) throw notAnImage(image, shown, `it needs another file (${outside})`);
  // Whatever has no format of its own counts as raw; one that a BIOS or UEFI boots has a boot signature.
  if (format === 'raw' && !head.endsWith('55aa')) {
    throw notAnImage(image, shown, 'it has no format that qemu-img knows, and no boot sector');
  }
  const wanted = diskSize === undefined ? 0 : Math.round(diskSize * GIB);
  if (wanted > 0 && wanted < size) throw diskTooLarge(image, size / GIB, diskSize!);
  onProgress?.(format === 'qcow2' ? 'finishing' : `converting from ${format}`);
  const grow = wanted > size ? String(wanted) : '';
  const { code, course } = await run(host, FINISH, { DIR: dir, FORMAT: format, SIZE: grow }, { signal });
  if (code !== 0) throw fault(`Image ${image}`, host, course.said);
}

/** Reads what `qemu-img info --output=json` says: format, bytes of the disk, and a file beside it that it needs. */
export function readInfo(json: string): { format: string; size: number; outside?: string } {
  let info: unknown;
  try {
    info = JSON.parse(json);
  } catch {
    info = undefined;
  }
  const record = isRecord(info) ? info : {};
  const specific = isRecord(record['format-specific']) ? record['format-specific']['data'] : undefined;
  const data = isRecord(specific) ? specific : {};
  const extents = Array.isArray(data['extents']) && data['extents'].length > 1 ? 'parts of its disk' : undefined;
  const outside = record['backing-filename'] ?? data['data-file'] ?? extents;
  return {
    format: String(record['format'] ?? ''),
    size: Number(record['virtual-size'] ?? 0),
    ...(outside === undefined ? {} : { outside: String(outside) }),
  };
}

/** Runs a program and reads its lines. */
async function run(
  host: Host,
  text: string,
  env: Record<string, string>,
  { signal, onProgress }: FetchOptions,
): Promise<{ code: number; course: Course }> {
  const course: Course = { have: 0, total: 0, code: 0, sum: '', head: '', said: '' };
  let rest = '';
  const script = { text, interpreter: '/bin/sh', env, timeout: LIMIT };
  const result = await runScript(host, script, {
    signal,
    onOutput(chunk) {
      const lines = (rest + chunk.toString('latin1')).split('\n');
      rest = lines.pop()!.slice(-SAID);
      for (const line of lines) readLine(line, course, onProgress);
    },
  });
  readLine(rest, course, onProgress);
  return { code: result.code ?? -1, course };
}

function readLine(line: string, course: Course, onProgress: FetchOptions['onProgress']): void {
  const [word, ...values] = line.split(' ');
  switch (word) {
    case '@at': {
      course.have = Number(values[0]) || 0;
      course.total = Number(values[1]) || 0;
      onProgress?.(course.total > 0 ? percent(course) : `${megabytes(course.have)} MB`);
      break;
    }
    case '@try':
      course.said = '';
      break;
    case '@code':
      course.code = Number(values[0]) || 0;
      break;
    case '@checking':
      onProgress?.('checking');
      break;
    case '@sum':
      course.sum = values[0] ?? '';
      break;
    case '@head':
      course.head = values[0] ?? '';
      break;
    default:
      course.said = `${course.said}${line}\n`.slice(-SAID);
  }
}

const percent = ({ have, total }: Course): string => `${Math.min(100, Math.floor((have * 100) / total))} %`;

const megabytes = (bytes: number): number => Math.round(bytes / 1e6);

function fetchFault(host: Host, image: string, place: Place, wanted: string, code: number, course: Course): Error {
  const { have, total, said } = course;
  const why = said
    .trim()
    .split('\n')
    .at(-1)!
    .replace(/^curl: \(\d+\) /, '');
  switch (code) {
    case FETCH_EXIT.noCurl:
      return commandMissing(host.label, 'curl', 'curl');
    case FETCH_EXIT.noFile:
      return downloadRefused(image, place.shown, `there is no such file on ${host.label}`);
    case FETCH_EXIT.refused:
      return downloadRefused(image, place.shown, `the server answered ${course.code}`);
    case FETCH_EXIT.gaveUp:
      return downloadEnded(image, place.shown, megabytes(have), megabytes(total), why);
    case FETCH_EXIT.checksum:
      return checksumWrong(image, place.shown, wanted, course.sum);
    default:
      return fault(`Image ${image}`, host, said);
  }
}

const fault = (what: string, host: Host, said: string): Error =>
  isFull(said) ? storageFull(what, host.label) : workFailed(what, host.label, said);
