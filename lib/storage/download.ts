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
import { faultOf, formatOf, isTaken, natureOf } from './disk-head.ts';
import { COPY, FETCH, FETCH_EXIT, FINISH } from './fetch-programs.ts';

/** Milliseconds that bringing one image may take in all; a download that stands still ends long before. */
const LIMIT = 6 * 3600_000;

/** Characters kept of what the worker's commands say. */
const SAID = 2000;

const GIB = 2 ** 30;

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
  const format = formatOf(head);
  if (!isTaken(format)) throw unknownFormat(image, shown, format);
  // A disk that reads another file of the worker would show it to its guests.
  const why = faultOf(format, head);
  if (why !== undefined) throw notAnImage(image, shown, why);
  const argv = ['qemu-img', 'info', '-f', format, '--output=json', `${dir}/.download`];
  const result = await host.run(argv, { signal });
  if (result.code === 127) throw commandMissing(host.label, 'qemu-img', 'qemu-utils');
  if (result.code !== 0) throw fault(`Image ${image}`, host, result.stderr);
  const size = diskBytes(result.stdout);
  const wanted = diskSize === undefined ? 0 : Math.round(diskSize * GIB);
  if (wanted > 0 && wanted < size) throw diskTooLarge(image, size / GIB, diskSize!);
  onProgress?.(format === 'qcow2' ? 'finishing' : `converting from ${format}`);
  const grow = wanted > size ? String(wanted) : '';
  const { code, course } = await run(host, FINISH, { DIR: dir, FORMAT: format, SIZE: grow }, { signal });
  if (code !== 0) throw fault(`Image ${image}`, host, course.said);
}

/** Bytes of the disk, as `qemu-img info --output=json` says; 0 where it does not. */
export function diskBytes(json: string): number {
  let info: unknown;
  try {
    info = JSON.parse(json);
  } catch {
    info = undefined;
  }
  return Number((isRecord(info) ? info : {})['virtual-size'] ?? 0);
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
