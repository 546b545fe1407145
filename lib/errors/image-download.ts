/** Errors of images that are downloaded or copied from a file. */
import { formatGib } from '../util/format.ts';
import { asSentence, CiError } from './ci-error.ts';

const gib = (size: number): string => formatGib(size * 2 ** 30);

/** Says what a refused download leaves behind. */
const dropped = (worker: string): string => `Nothing of it was kept on ${worker}.`;

/** Returns whether what was downloaded before this error is kept, so that the next attempt can resume it. */
export function isResumable(error: unknown): boolean {
  if (!(error instanceof CiError)) return true;
  return error.result !== 'DISK_FULL' && (error.retryable || error.facts.keepsDownload === true);
}

/** An image's URL is malformed, or its protocol is not supported. */
export const badImageUrl = (image: string, url: string): CiError =>
  new CiError({
    code: 'image/bad-url',
    blame: 'config',
    message: `Image ${image}: "${url.slice(0, 200)}" is not the URL of an image.`,
    advice: 'Start it with https://, http://, or file:/// for a file on the worker.',
  });

/**
 * A server refused the download of an image, or the file or folder of one is missing on the worker.
 *
 * @param why a clause: "the server answered 404"
 */
export const downloadRefused = (image: string, from: string, why: string): CiError =>
  new CiError({
    code: 'image/not-found',
    blame: 'image',
    message: `Image ${image}: ${from} cannot be downloaded: ${why}.`,
    advice: "Check the URL in the image's settings.",
  });

/** Describes a local file that was written to while it was copied. */
export const sourceChanging = (image: string, from: string, worker: string): CiError =>
  new CiError({
    code: 'image/source-changing',
    blame: 'image',
    message: `Image ${image}: ${from} on ${worker} changed while it was copied. The next build copies it again.`,
    advice: 'Write the file under another name, then rename it.',
    retryable: true,
  });

/**
 * The download of an image broke off, and again at each further attempt.
 *
 * @param have MB received
 * @param total MB; 0 if the server did not say
 */
export const downloadEnded = (image: string, from: string, have: number, total: number, why: string): CiError =>
  new CiError({
    code: 'image/download-ended',
    blame: 'image',
    message: `Image ${image}: the download of ${from} ended at ${have}${total > 0 ? ` of ${total}` : ''} MB (${why.replace(/\.$/, '')}). It was tried 3 times${have > 0 ? '; the download will resume' : ''}.`,
    advice: "Can the worker reach that server? Check it, and the URL in the image's settings.",
    keepsDownload: true,
  });

/** An image's checksum is neither hexadecimal digits of the right number nor a URL. */
export const badChecksum = (image: string, text: string): CiError =>
  new CiError({
    code: 'image/bad-checksum',
    blame: 'config',
    message: `Image ${image}: "${text.slice(0, 200)}" cannot be a checksum.`,
    advice: 'Enter 64 (SHA-256) or 128 (SHA-512) hexadecimal digits, or the URL of a file such as SHA256SUMS.',
  });

/** The file of checksums could not be read, or does not list the image. @param why follows "it": "does not list …" */
export const checksumFileUseless = (image: string, from: string, worker: string, why: string): CiError =>
  new CiError({
    code: 'image/checksum-file',
    blame: 'image',
    message: `Image ${image}: ${worker} found no checksum at ${from}: it ${why}.`,
    advice: "Correct the checksum in the image's settings.",
  });

/**
 * An image was downloaded completely, but is not the expected file.
 *
 * @param wanted as set, or as listed in a checksum file
 */
export const checksumWrong = (
  image: string,
  from: string,
  worker: string,
  { algorithm, hex, listedAt }: { algorithm: string; hex: string; listedAt?: string | undefined },
  found: string,
): CiError =>
  new CiError({
    code: 'image/checksum',
    blame: 'image',
    message: `Image ${image}: the ${algorithm.replace('sha', 'SHA-')} of ${from} is ${found}, but ${listedAt ? `${listedAt} lists ${hex}` : `${hex} is set`}. ${dropped(worker)}`,
    advice: `${listedAt ? 'If the publisher is replacing the file right now, try again later' : 'If a new version was published, set its checksum'}; otherwise the file is damaged or not the expected one.`,
  });

/** A downloaded file is not a disk, is damaged, or refers to other files. @param why "it is a web page" */
export const notAnImage = (image: string, from: string, worker: string, why: string): CiError =>
  new CiError({
    code: 'image/no-image',
    blame: 'image',
    message: `Image ${image}: ${from} is not a usable disk image: ${asSentence(why)} ${dropped(worker)}`,
    advice: 'Set the URL of an undamaged qcow2 or raw image.',
  });

/** An image is in a format of another virtualization product, such as VMDK. */
export const unknownFormat = (image: string, from: string, worker: string, format: string): CiError =>
  new CiError({
    code: 'image/format',
    blame: 'image',
    message: `Image ${image}: ${from} has the format "${format}", which is not supported. ${dropped(worker)}`,
    advice: 'Use a qcow2 or raw image; "qemu-img convert -O qcow2" converts it.',
  });

/**
 * An image is made for another processor architecture than the worker's.
 *
 * @param evidence "its name"
 * @param archs that the image is for
 * @param machine the worker's `uname -m`
 */
export const otherMachine = (
  image: string,
  from: string,
  worker: string,
  { evidence, archs, machine }: { evidence: string; archs: readonly string[]; machine: string },
): CiError =>
  new CiError({
    code: 'image/architecture',
    blame: 'image',
    message: `Image ${image}: ${from} is for ${archs.join(' or ')} according to ${evidence}, but ${worker} is ${machine}, so it cannot boot there. ${dropped(worker)}`,
    advice: `Use the image for ${machine}.`,
  });

/**
 * A file is larger than an image of the disk size that is set can be.
 *
 * @param what a verb phrase: "unpacks to"
 * @param limit GiB
 * @param set whether the limit comes from the image's disk size
 */
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
    blame: 'image',
    message: `Image ${image}: ${from} ${what} more than ${gib(limit)}, ${set ? 'too much for the disk size that is set' : 'the limit if no disk size is set'}. ${dropped(worker)}`,
    advice: 'If that is right, set a larger disk size.',
  });

/** An image's virtual disk is larger than the size that is set. @param size GiB @param wanted GiB */
export const diskTooLarge = (image: string, from: string, worker: string, size: number, wanted: number): CiError =>
  new CiError({
    code: 'image/disk-size',
    blame: 'image',
    message: `Image ${image}: the disk in ${from} has ${gib(size)}, more than the disk size of ${gib(wanted)} that is set. A disk can only grow. ${dropped(worker)}`,
    advice: `Set at least ${Math.ceil(size)}.`,
  });
