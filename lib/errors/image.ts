/** Errors of images: their settings, and building them. */
import { CiError, messageOf } from './ci-error.ts';

/** A storage command exceeded its time limit on a worker. @param what "Image focal" */
export const workerSilent = (what: string, worker: string, minutes: number): CiError =>
  new CiError({
    code: 'image/worker-silent',
    blame: 'worker',
    message: `${what}: ${worker} did not finish it within ${minutes} min.`,
    advice: 'See whether it can be reached, with "Check this host" in the worker host.',
    retryable: true,
    excludesHost: true,
  });

// Settings of an image

/** An image without a source was selected on a worker with virtual machines. */
export const emptyImage = (image: string, worker: string): CiError =>
  new CiError({
    code: 'image/empty',
    blame: 'config',
    message: `Image ${image} is empty, so a virtual machine on ${worker} cannot boot from it.`,
    advice: 'Set a URL or a parent for the image.',
  });

/** Storage was asked to create an image that only a guest can build. */
export const guestImage = (image: string): CiError =>
  new CiError({
    code: 'image/needs-guest',
    blame: 'config',
    message: `Image ${image} is built from a parent by scripts that run in a guest; storage alone cannot create it.`,
  });

/** Describes a disk image for the sandbox worker, which has no disks. */
export const diskImage = (image: string): CiError =>
  new CiError({
    code: 'image/needs-disks',
    blame: 'config',
    message: `Image ${image} is a disk for virtual machines, but the sandbox worker only has folders.`,
    advice: 'Use an empty image or a folder, or a worker host with libvirt.',
  });

/** The vm-image node of an image's parent was deleted or disabled. */
export const noParent = (image: string): CiError =>
  new CiError({
    code: 'image/no-parent',
    blame: 'config',
    message: `Image ${image}: its parent does not exist or is disabled.`,
    advice: "Select a parent in the image's settings, enable it if it is disabled, and deploy.",
  });

/** An image is its own parent, directly or through other images. @param names the images of the cycle, each once */
export const parentCircle = (names: readonly string[]): CiError =>
  new CiError({
    code: 'image/parent-circle',
    blame: 'config',
    message: `Image ${names[0]}: the parents form a cycle: ${[...names, names[0]].join(' → ')}.`,
    advice: 'Select another parent for one of them.',
  });

/** A script of an image is kept in a file that cannot be read. @param why the system's words */
export const scriptUnreadable = (image: string, script: string, file: string, why: string): CiError =>
  new CiError({
    code: 'image/script-file',
    blame: 'config',
    message: `Image ${image}: the file ${file} of its script ${script} cannot be read on the controller: ${why}.`,
    advice: 'Check its path and permissions.',
  });

// Images on a worker

/** The disk of an image disappeared while the image was built. */
export const draftGone = (image: string, worker: string): CiError =>
  new CiError({
    code: 'image/draft-gone',
    blame: 'worker',
    message: `Image ${image}: its unfinished disk on ${worker} no longer exists. Has somebody deleted it? The next build creates it again.`,
    retryable: true,
  });

/** A build of an image started on a worker that already has the image. */
export const imageThere = (image: string, worker: string): CiError =>
  new CiError({
    code: 'image/there',
    blame: 'worker',
    message: `Image ${image} is already on ${worker}, so it is not built again.`,
    retryable: true,
  });

/** The folder of an image contains no file that is named like a disk. */
export const noDisk = (image: string, worker: string): CiError =>
  new CiError({
    code: 'image/no-disk',
    blame: 'image',
    message: `Image ${image} on ${worker} has no disk.`,
    advice: 'Name its files after their devices, such as vda.qcow2.',
  });

// Building an image in a guest

/**
 * The guest that an image is built in had no SSH login in time, or powered off before.
 *
 * @param console last line of the guest's console; may be empty
 */
export const imageNotBooted = (image: string, worker: string, why: string, console: string): CiError =>
  new CiError({
    code: 'image/not-booted',
    blame: 'image',
    message: `Image ${image}: its guest on ${worker} did not boot: ${why}${console ? ` Its console ends with: "${console}".` : ''}`,
    isNotStarted: true,
  });

/**
 * A script that builds an image ended with an error.
 *
 * @param how "ended with exit code 2"
 * @param said the last line of its output; may be empty
 */
export const imageScriptFailed = (image: string, script: string, how: string, said: string): CiError =>
  new CiError({
    code: 'image/script-failed',
    blame: 'image',
    message: `Image ${image}: its script ${script} ${how}${said ? `; its output ends with: "${said}"` : ''}. The patch is not blamed for this.`,
    advice: "See the image's console.",
  });

/**
 * The scripts of an image took longer than its settings allow.
 *
 * @param at the stage that it was in: "script init_dsvm"
 */
export const imageTimeUp = (image: string, minutes: number, at: string): CiError =>
  new CiError({
    code: 'image/time-up',
    blame: 'image',
    message: `Image ${image} was not built within ${minutes} min; the last stage was: ${at}.`,
    advice: 'If that is too short, raise the limit in its settings.',
  });

/**
 * The guest that an image is built in went down, or its worker cannot be reached any more.
 *
 * @param at the stage that it was in
 * @param cutOff whether the worker could not be reached either, which is temporary
 */
export const imageLost = (image: string, at: string, cause: unknown, cutOff: boolean): CiError =>
  new CiError({
    code: 'image/guest-lost',
    blame: 'image',
    message: `Image ${image}: its guest was lost during: ${at} (${messageOf(cause)}).`,
    advice: "See the image's console.",
    retryable: cutOff,
    cause,
  });

/**
 * Describes an image whose last build failed a while ago, and which is not built again yet. The host is not excluded:
 * an older failure says nothing about the worker as it is now.
 */
export const imageFailedBefore = (error: CiError, minutes: number): CiError => {
  const ago = minutes < 1 ? 'just now' : `${minutes} min ago`;
  const { excludesHost: _, ...facts } = error.facts;
  return new CiError({
    ...facts,
    code: error.code,
    blame: error.blame,
    message: `${error.message} It failed ${ago}.`,
    advice: 'It is built again when it is changed, when "Build now" is pressed, or half an hour after it failed.',
    result: error.result,
    cause: error,
  });
};

/** Returns a warning: the build continues. @param why a sentence */
export const oldImageUsed = (image: string, key: string, why: string): string =>
  `Image ${image} could not be renewed, so the build uses the existing one (${image}@${key}). ${why}`;

/** Recheck stops while images are being built. */
export const imageBuildStopped = (): CiError =>
  new CiError({
    code: 'image/stopped',
    blame: 'controller',
    message: 'The image builds were cancelled because the controller stops.',
    result: 'NODE_FAILURE',
    retryable: true,
  });
