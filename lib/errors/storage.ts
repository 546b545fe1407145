/** Errors of the storage that a worker keeps images and clones on. */
import { quoted } from '../util/plain-text.ts';
import { CiError, isDiskFull, messageOf } from './ci-error.ts';

/** Returns whether a command's output says that a disk is full, or a quota on it is used up. */
export const saysDiskFull = (output: string): boolean =>
  /no space left on device|disk quota exceeded|out of space|\bENOSPC\b/i.test(output);

// Where a worker keeps images and clones

/** A worker's storage path is not absolute or has unsafe characters, or is not a dataset's name. */
export const badPlace = (kind: string, place: string): CiError =>
  new CiError({
    code: 'storage/bad-place',
    blame: 'config',
    message: `"${place}" ${kind === 'zfs' ? 'is not the name of a ZFS dataset' : "is not a path for a worker's storage"}.`,
    advice:
      kind === 'zfs'
        ? 'Enter a name such as pool/ci, as "zfs list" shows it.'
        : 'Enter the absolute path of a folder, such as /ci/recheck.',
  });

/**
 * A program that the storage or a download needs is not installed on the worker.
 *
 * @param packages Debian packages that contain it, separated by spaces
 */
export const commandMissing = (worker: string, command: string, packages: string): CiError =>
  new CiError({
    code: 'storage/no-command',
    blame: 'worker',
    message: `${worker}: the command ${command} is not installed.`,
    advice: `Install it as root: apt-get install ${packages}`,
    excludesHost: true,
    keepsDownload: true,
  });

const HOW_TO_CREATE: Readonly<Record<string, { what: string; command: string }>> = {
  btrfs: { what: 'folder', command: 'on a btrfs file system, as root: btrfs subvolume create' },
  zfs: { what: 'ZFS dataset', command: 'as root: zfs create' },
};

/**
 * The folder or dataset for images and clones does not exist on the worker.
 *
 * @param kind the storage backend: "btrfs"
 */
export const placeMissing = (worker: string, kind: string, place: string): CiError => {
  const { what, command } = HOW_TO_CREATE[kind] ?? { what: 'folder', command: 'as root: mkdir -p' };
  return new CiError({
    code: 'storage/no-place',
    blame: 'worker',
    message: `${worker}: there is no ${what} ${place}.`,
    advice: `Create it ${command} ${place}`,
    excludesHost: true,
  });
};

/** The ZFS dataset for images and clones exists, but is not part of the file system. */
export const placeUnmounted = (worker: string, place: string): CiError =>
  new CiError({
    code: 'storage/unmounted',
    blame: 'worker',
    message: `${worker}: the ZFS dataset ${place} is not mounted.`,
    advice: `Set a mount point as root: zfs set mountpoint=/${place} ${place}`,
    excludesHost: true,
  });

/** The folder for images and clones is on a file system that the storage backend cannot use. */
export const wrongFileSystem = (worker: string, place: string, wanted: string, found: string): CiError =>
  new CiError({
    code: 'storage/wrong-file-system',
    blame: 'worker',
    message: `${worker}: ${place} is on ${found}, not on ${wanted}.`,
    advice: `Mount a ${wanted} file system there, or choose the storage "directory".`,
    excludesHost: true,
  });

/** Only root may run the commands of the storage backend, and the login is another user. */
export const notRoot = (worker: string, user: string): CiError =>
  new CiError({
    code: 'storage/not-root',
    blame: 'worker',
    message: `${worker}: its storage can only be used by root, but the login user is ${user}.`,
    advice: 'Log in as root.',
    excludesHost: true,
  });

/**
 * A storage command found the worker's disk full or a quota used up.
 *
 * @param what was being done: "Clone recheck-1-1-vm"
 */
export const storageFull = (what: string, worker: string): CiError =>
  new CiError({
    code: 'storage/disk-full',
    blame: 'worker',
    message: `${what}: the disk of ${worker} is full.`,
    advice: 'Free some space there, or run fewer builds at once.',
    result: 'DISK_FULL',
    retryable: true,
  });

/** Describes a download, or what it unpacks to, that would use up the last of a worker's space. */
export const spaceRunsOut = (image: string, from: string, worker: string): CiError =>
  new CiError({
    code: 'storage/disk-full',
    blame: 'worker',
    message: `Image ${image}: ${from} needs more space than the disk of ${worker} has: a twentieth of it, at most 1 GiB, stays free for guests. Nothing of it was kept on ${worker}.`,
    advice: 'Free some space there.',
    result: 'DISK_FULL',
    retryable: true,
  });

/**
 * A storage command for the same image or clone has not ended, so another would interfere with it.
 *
 * @param what "Clone recheck-1-1-vm"
 */
export const storageBusy = (what: string, worker: string): CiError =>
  new CiError({
    code: 'storage/busy',
    blame: 'worker',
    message: `${what}: an earlier command for it is still running on ${worker}. Its disk is very slow, or hangs.`,
    advice: 'Check there with "ps -ef" and "dmesg".',
    retryable: true,
    excludesHost: true,
  });

/**
 * A storage command failed for a reason that has no error of its own.
 *
 * @param said the output of the command that failed
 */
export const workFailed = (what: string, worker: string, said: string): CiError =>
  new CiError({
    code: 'storage/fault',
    blame: 'worker',
    message: `${what} failed on ${worker}: ${quoted(said, -3, 500) || '(no output)'}.`,
    advice: 'Check the storage there: its folder, its file system, and dmesg.',
    excludesHost: true,
  });

/**
 * Describes a file system error of the sandbox worker while doing `what` ("clone unit-7f3a"). A full disk or a used-up
 * quota ends the build as DISK_FULL.
 */
export function storageFault(what: string, error: unknown): CiError {
  if (error instanceof CiError) return error;
  if (isDiskFull(error)) {
    return new CiError({
      code: 'storage/disk-full',
      blame: 'worker',
      message: `${what}: the worker's disk is full (${messageOf(error)}).`,
      advice: 'Free some space there, or run fewer builds at once.',
      result: 'DISK_FULL',
      cause: error,
    });
  }
  return new CiError({
    code: 'storage/fault',
    blame: 'worker',
    message: `${what} failed: ${messageOf(error)}.`,
    advice: "Check the worker's folder and its permissions.",
    excludesHost: true,
    cause: error,
  });
}

// Images and clones

/** A name is not safe as part of a path on a worker. @param what "a clone" */
export const badName = (what: string, name: string): CiError =>
  new CiError({
    code: 'storage/bad-name',
    blame: 'config',
    message: `"${name.slice(0, 80)}" cannot be the name of ${what}.`,
    advice: 'Use at most 128 letters, digits, dots, dashes and underscores, starting with a letter or digit.',
  });

/** The path of a new clone is already used by something that Recheck did not create. */
export const nameTaken = (worker: string, place: string, name: string): CiError =>
  new CiError({
    code: 'storage/name-taken',
    blame: 'worker',
    message: `${worker}: ${place}/${name} already exists and was not created by Recheck.`,
    advice: 'Move it away.',
  });

/** The folder that a sandbox image is copied from is missing or not readable. */
export const noSource = (image: string, path: string, cause: unknown): CiError =>
  new CiError({
    code: 'storage/no-source',
    blame: 'image',
    message: `Image ${image}: its folder ${path} cannot be read (${messageOf(cause)}).`,
    advice: "Check the path in the image's settings.",
    cause,
  });

/** The path that a sandbox image is copied from is a file. */
export const sourceNotFolder = (image: string, path: string): CiError =>
  new CiError({
    code: 'storage/source-not-a-folder',
    blame: 'image',
    message: `Image ${image}: ${path} is not a folder.`,
    advice: 'Enter a folder whose files every clone starts with.',
  });

/** The image to clone, or to build another one from, does not exist on the worker. */
export const noImage = (image: string): CiError =>
  new CiError({
    code: 'storage/no-image',
    blame: 'worker',
    message: `Image ${image} is not on this worker, so it cannot be cloned. Has somebody deleted it? The next build creates it again.`,
    retryable: true,
    isNotFound: true,
  });

/** Another build, or another attempt of the same one, has a clone of that name. */
export const foreignClone = (name: string, build: string, attempt: number): CiError =>
  new CiError({
    code: 'storage/foreign-clone',
    blame: 'worker',
    message: `Clone ${name} already exists and belongs to build ${build}, attempt ${attempt}.`,
    advice: 'It must be removed before another can have its name.',
    retryable: true,
  });

/** A clone or image could not be deleted from the worker. @param command that removes it manually */
export const notRemoved = (what: string, worker: string, why: string, command: string): CiError =>
  new CiError({
    code: 'storage/not-removed',
    blame: 'worker',
    message: `${what} failed on ${worker}: ${why}.`,
    advice: `If it is no longer needed, remove it there as root: ${command}`,
    retryable: true,
    excludesHost: true,
  });

/**
 * Images that no node uses any more could not be deleted from the worker.
 *
 * @param removed images that were removed in the same run
 */
export const imagesNotRemoved = (
  worker: string,
  removed: readonly string[],
  left: readonly { name: string; why: string; command: string }[],
): CiError => {
  const each = left.map(({ name, why, command }) => `${name}: ${why}. To remove it as root: ${command}`);
  const also = removed.length > 0 ? ` Removed: ${removed.join(', ')}.` : '';
  return new CiError({
    code: 'storage/not-removed',
    blame: 'worker',
    message: `${worker}: some unused images could not be removed.${also}\n${each.join('\n')}`,
    retryable: true,
    excludesHost: true,
  });
};
