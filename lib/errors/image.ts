import { quoted } from '../util/plain-text.ts';
import { CiError, messageOf } from './ci-error.ts';

/** Whether what a command said means that a disk, or a quota on it, is full. */
export const isFull = (said: string): boolean =>
  /no space left on device|disk quota exceeded|out of space|\bENOSPC\b/i.test(said);

/** The last lines of what a command said, for a sentence. */
const tail = (said: string): string => quoted(said, -3, 500) || 'nothing was said';

// The storage on a worker

export const badPlace = (kind: string, place: string): CiError =>
  new CiError({
    code: 'storage/bad-place',
    message:
      kind === 'zfs'
        ? `"${place}" names no ZFS dataset. Give its name, such as pool/ci, as "zfs list" shows it.`
        : `"${place}" is no path for a worker's storage. Give the whole path of a folder, such as /ci/recheck.`,
    result: 'ERROR',
  });

export const commandMissing = (worker: string, command: string, packages: string): CiError =>
  new CiError({
    code: 'storage/no-command',
    message: `${worker}: the command ${command} is not there. Install it as root: apt-get install ${packages}`,
  });

export const placeMissing = (worker: string, kind: string, place: string): CiError =>
  new CiError({
    code: 'storage/no-place',
    message:
      {
        btrfs: `${worker}: there is no folder ${place}. Make it on a btrfs file system, as root: btrfs subvolume create ${place}`,
        zfs: `${worker}: there is no ZFS dataset ${place}. Make it as root: zfs create ${place}`,
      }[kind] ?? `${worker}: there is no folder ${place}. Make it as root: mkdir -p ${place}`,
  });

export const placeUnmounted = (worker: string, place: string): CiError =>
  new CiError({
    code: 'storage/unmounted',
    message: `${worker}: the ZFS dataset ${place} is mounted nowhere. Give it a mount point as root: zfs set mountpoint=/${place} ${place}`,
  });

export const wrongFileSystem = (worker: string, place: string, wanted: string, found: string): CiError =>
  new CiError({
    code: 'storage/wrong-file-system',
    message: `${worker}: ${place} is on ${found}, not on ${wanted}. Mount a ${wanted} file system there, or choose the storage "directory".`,
  });

export const notRoot = (worker: string, user: string): CiError =>
  new CiError({
    code: 'storage/not-root',
    message: `${worker}: its storage can only be used as root, and the login is ${user}. Log in as root there.`,
  });

export const storageFull = (what: string, worker: string): CiError =>
  new CiError({
    code: 'storage/disk-full',
    message: `${what}: the disk of ${worker} is full. Free some space there, or take fewer builds at once.`,
    result: 'DISK_FULL',
    transient: true,
  });

export const storageBusy = (what: string, worker: string): CiError =>
  new CiError({
    code: 'storage/busy',
    message: `${what}: an earlier command for it has not ended yet on ${worker}. Its disk is very slow, or hangs: look there with "ps -ef" and "dmesg".`,
    transient: true,
  });

export const workFailed = (what: string, worker: string, said: string): CiError =>
  new CiError({ code: 'storage/fault', message: `${what} failed on ${worker}: ${tail(said)}.` });

export const nameTaken = (worker: string, place: string, name: string): CiError =>
  new CiError({
    code: 'storage/name-taken',
    message: `${worker}: ${place}/${name} is there already and is none of ours. Move it away.`,
  });

// Images

export const workerSilent = (what: string, worker: string, minutes: number): CiError =>
  new CiError({
    code: 'image/worker-silent',
    message: `${what}: ${worker} did not do it within ${minutes} min. Look whether it can be reached, with "Check this host" in its form.`,
    transient: true,
  });

export const emptyImage = (image: string, worker: string): CiError =>
  new CiError({
    code: 'image/empty',
    message: `Image ${image} is empty, and a virtual machine on ${worker} cannot boot from nothing. Give the image a URL or a parent.`,
    result: 'ERROR',
  });

export const guestImage = (image: string): CiError =>
  new CiError({
    code: 'image/needs-guest',
    message: `Image ${image} is made from a parent by scripts in a guest, not by its storage alone.`,
    result: 'ERROR',
  });

/** The sandbox worker has no disks. */
export const diskImage = (image: string): CiError =>
  new CiError({
    code: 'image/needs-disks',
    message: `Image ${image} is a disk for virtual machines, and the sandbox worker has only folders. Choose an empty image or a folder for it, or a worker host with libvirt.`,
    result: 'ERROR',
  });

export const draftGone = (image: string, worker: string): CiError =>
  new CiError({
    code: 'image/draft-gone',
    message: `Image ${image}: what was made of it on ${worker} is gone. Has somebody deleted it? The next build makes it again.`,
    transient: true,
  });

export const imageThere = (image: string, worker: string): CiError =>
  new CiError({
    code: 'image/there',
    message: `Image ${image} is on ${worker} already, so it is not made again.`,
    transient: true,
  });

export const noDisk = (image: string, worker: string): CiError =>
  new CiError({
    code: 'image/no-disk',
    message: `Image ${image} on ${worker} has no disk: its files must be named after their device, such as vda.qcow2.`,
  });

// What an image is set to

export const noParent = (image: string): CiError =>
  new CiError({
    code: 'image/no-parent',
    message: `Image ${image}: its parent is not there. Choose a parent in the image's settings, enable it where it is disabled, and deploy.`,
    result: 'ERROR',
  });

/** @param names the images of the circle: the first stands at its end again */
export const parentCircle = (names: readonly string[]): CiError =>
  new CiError({
    code: 'image/parent-circle',
    message: `Image ${names[0]} is its own parent${names.length > 1 ? ` by way of ${names.slice(1).join(', ')}` : ''}, so there is nothing to begin with. Choose another parent for one of them.`,
    result: 'ERROR',
  });

export const scriptUnreadable = (image: string, script: string, file: string, why: string): CiError =>
  new CiError({
    code: 'image/script-file',
    message: `Image ${image}: the file ${file} of its script ${script} cannot be read on the controller: ${why}.`,
    result: 'ERROR',
  });

// Making an image in a guest

/** @param console last line of the guest's console */
export const imageNotBooted = (image: string, worker: string, why: string, console: string): CiError =>
  new CiError({
    code: 'image/not-booted',
    message: `Image ${image}: its guest on ${worker} did not come up: ${why}${console ? ` Its console ends with: "${console}".` : ''}`,
  });

/** @param how "ended with exit code 2" @param said its last line */
export const imageScriptFailed = (image: string, script: string, how: string, said: string): CiError =>
  new CiError({
    code: 'image/script-failed',
    message: `Image ${image}: its script ${script} ${how}${said ? `, and said last: "${said}"` : ''}. The image's console has the rest; this is not the patch's fault.`,
  });

/** @param at what it was at: "script init_dsvm" */
export const imageTimeUp = (image: string, minutes: number, at: string): CiError =>
  new CiError({
    code: 'image/time-up',
    message: `Image ${image} was not made within ${minutes} min; it was at: ${at}. Give it more time in its settings where that is too short.`,
  });

/** @param cutOff whether the worker could not be reached either, which passes by itself */
export const imageLost = (image: string, at: string, cause: unknown, cutOff: boolean): CiError =>
  new CiError({
    code: 'image/guest-lost',
    message: `Image ${image}: its guest was lost at: ${at} (${messageOf(cause)}). The image's console has what it said.`,
    transient: cutOff,
    cause,
  });

/** An image whose last making failed is left alone for a while. */
export const imageFailedBefore = (error: CiError, minutes: number): CiError => {
  const ago = minutes < 1 ? 'just now' : `${minutes} min ago`;
  return new CiError({
    code: error.code,
    message: `${error.message} It failed ${ago}, and is tried again when it is changed, when "Build now" is pressed, or half an hour after it failed.`,
    result: error.result,
    cause: error,
  });
};

/** A warning: the build goes on. @param why sentence */
export const oldImageUsed = (image: string, key: string, why: string): string =>
  `Image ${image} could not be renewed, so the build uses the one that is there (${image}@${key}). ${why}`;

export const makingStopped = (): CiError =>
  new CiError({
    code: 'image/stopped',
    message: 'The making of images was ended: the controller stops.',
    transient: true,
  });
