import { formatGib } from '../util/format.ts';
import { CiError } from './ci-error.ts';

const gib = (size: number): string => formatGib(size * 2 ** 30);

/** What a refused download leaves behind. */
const dropped = (worker: string): string => `Nothing of it was kept on ${worker}.`;

export const badImageUrl = (image: string, url: string): CiError =>
  new CiError({
    code: 'image/bad-url',
    message: `Image ${image}: "${url.slice(0, 200)}" is no URL that an image can come from. It begins with https://, http://, or file:/// for a file on the worker.`,
    result: 'ERROR',
  });

export const downloadRefused = (image: string, from: string, why: string): CiError =>
  new CiError({
    code: 'image/not-found',
    message: `Image ${image}: ${from} cannot be downloaded: ${why}. Check the address in the image's settings.`,
  });

/** It was written to while it was copied. */
export const sourceChanging = (image: string, from: string, worker: string): CiError =>
  new CiError({
    code: 'image/source-changing',
    message: `Image ${image}: ${from} on ${worker} changed while it was copied. Put a finished file in its place (write it beside, then rename it); the next build copies it again.`,
    transient: true,
  });

/** @param total 0 where the server did not say */
export const downloadEnded = (image: string, from: string, have: number, total: number, why: string): CiError =>
  new CiError({
    code: 'image/download-ended',
    message: `Image ${image}: the download of ${from} ended at ${have}${total > 0 ? ` of ${total}` : ''} MB (${why.replace(/\.$/, '')}). Tried 3 times; ${have > 0 ? 'the download will resume.' : "can that worker reach it? Check the address in the image's settings, and that server."}`,
  });

export const badChecksum = (image: string, text: string): CiError =>
  new CiError({
    code: 'image/bad-checksum',
    message: `Image ${image}: "${text.slice(0, 200)}" cannot be a checksum. Set 64 (SHA-256) or 128 (SHA-512) hexadecimal digits, or the URL of a file such as SHA256SUMS.`,
    result: 'ERROR',
  });

/** @param why follows "it": "does not list …" */
export const checksumFileUseless = (image: string, from: string, worker: string, why: string): CiError =>
  new CiError({
    code: 'image/checksum-file',
    message: `Image ${image}: ${worker} found no checksum at ${from}: it ${why}. Correct the checksum in the image's settings.`,
  });

/** @param wanted as it was set, or what a checksum file says */
export const checksumWrong = (
  image: string,
  from: string,
  worker: string,
  { algorithm, hex, listedAt }: { algorithm: string; hex: string; listedAt?: string | undefined },
  found: string,
): CiError =>
  new CiError({
    code: 'image/checksum',
    message: `Image ${image}: the ${algorithm.replace('sha', 'SHA-')} of ${from} is ${found}, but ${listedAt ? `${listedAt} lists ${hex}` : `${hex} is set`}. ${listedAt ? 'If the publisher is just replacing the file, try again later; otherwise' : 'If a new version was published, set its checksum; otherwise'} the file is damaged or not what it should be. ${dropped(worker)}`,
  });

/** @param why "it is a web page" */
export const notAnImage = (image: string, from: string, worker: string, why: string): CiError =>
  new CiError({
    code: 'image/no-image',
    message: `Image ${image}: ${from} is not a usable disk image: ${why}${/[.?!]$/.test(why) ? '' : '.'} ${dropped(worker)}`,
  });

export const unknownFormat = (image: string, from: string, worker: string, format: string): CiError =>
  new CiError({
    code: 'image/format',
    message: `Image ${image}: ${from} has the format "${format}", which is not taken. Use a qcow2 or raw image; "qemu-img convert -O qcow2" makes one. ${dropped(worker)}`,
  });

/** @param evidence "its name" @param archs what the image is for @param machine the worker's `uname -m` */
export const otherMachine = (
  image: string,
  from: string,
  worker: string,
  { evidence, archs, machine }: { evidence: string; archs: readonly string[]; machine: string },
): CiError =>
  new CiError({
    code: 'image/architecture',
    message: `Image ${image}: ${from} is for ${archs.join(' or ')} by ${evidence}, and ${worker} is ${machine}: it cannot boot there. Use the image for ${machine}. ${dropped(worker)}`,
  });

/** @param limit GiB @param set whether the limit comes from the image's disk size */
export const fileTooLarge = (
  image: string,
  from: string,
  worker: string,
  what: string,
  limit: number,
  set: boolean,
): CiError =>
  new CiError({
    code: 'image/too-large',
    message: `Image ${image}: ${from} ${what} more than ${gib(limit)}, ${set ? 'too much for the disk size that is set' : 'the most that is taken if no disk size is set'}. If that is right, set a larger disk size. ${dropped(worker)}`,
  });

export const diskTooLarge = (image: string, from: string, worker: string, size: number, wanted: number): CiError =>
  new CiError({
    code: 'image/disk-size',
    message: `Image ${image}: the disk in ${from} has ${gib(size)}, more than the disk size of ${gib(wanted)} that is set. A disk can only grow: set at least ${Math.ceil(size)}. ${dropped(worker)}`,
  });

/** A download or what it unpacks to would take the last of a worker's space. */
export const spaceRunsOut = (image: string, from: string, worker: string): CiError =>
  new CiError({
    code: 'storage/disk-full',
    message: `Image ${image}: ${from} needs more space than the disk of ${worker} has: a twentieth of it, at most 1 GiB, stays free for guests. Free some space there. ${dropped(worker)}`,
    result: 'DISK_FULL',
    transient: true,
  });

/** Whether what is there of a download is kept after this error, for the next try to resume. */
export function isResumable(error: unknown): boolean {
  if (!(error instanceof CiError)) return true;
  if (error.result === 'DISK_FULL') return false;
  const { code, transient } = error;
  return transient || code.startsWith('ssh/') || ['image/download-ended', 'storage/no-command'].includes(code);
}
