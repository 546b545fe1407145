import { CiError, messageOf } from './ci-error.ts';

export const badName = (what: string, name: string): CiError =>
  new CiError({
    code: 'storage/bad-name',
    message: `"${name.slice(0, 80)}" cannot name ${what}: use letters, digits, dot, dash and underscore, a letter or digit first, at most 128 of them.`,
    result: 'ERROR',
  });

export const noSource = (image: string, path: string, cause: unknown): CiError =>
  new CiError({
    code: 'storage/no-source',
    message: `Image ${image}: its folder ${path} cannot be read (${messageOf(cause)}). Check the path in the image's settings.`,
    cause,
  });

export const sourceNotFolder = (image: string, path: string): CiError =>
  new CiError({
    code: 'storage/source-not-a-folder',
    message: `Image ${image}: ${path} is not a folder. Name a folder whose files every clone is to start with.`,
  });

export const noImage = (image: string): CiError =>
  new CiError({
    code: 'storage/no-image',
    message: `Image ${image} is not on this worker, so it cannot be cloned. Has somebody deleted it? It is made again by the next build.`,
    transient: true,
  });

export const foreignClone = (name: string, build: string, attempt: number): CiError =>
  new CiError({
    code: 'storage/foreign-clone',
    message: `Clone ${name} is there already and belongs to build ${build}, attempt ${attempt}. It must be removed before another can have its name.`,
    transient: true,
  });

/** @param command with which a person removes it */
export const notRemoved = (what: string, worker: string, why: string, command: string): CiError =>
  new CiError({
    code: 'storage/not-removed',
    message: `${what} failed on ${worker}: ${why}. If that is not needed any more, remove it there as root: ${command}`,
    transient: true,
  });

/** @param gone those that were removed beside them */
export const imagesNotRemoved = (
  worker: string,
  gone: readonly string[],
  left: readonly { name: string; why: string; command: string }[],
): CiError => {
  const each = left.map(({ name, why, command }) => `${name}: ${why}. To remove it as root: ${command}`);
  const beside = gone.length > 0 ? ` Removed beside them: ${gone.join(', ')}.` : '';
  return new CiError({
    code: 'storage/not-removed',
    message: `${worker}: images that nothing uses could not be removed.${beside}\n${each.join('\n')}`,
    transient: true,
  });
};

/** A fault of the file system while doing `what` ("clone unit-7f3a"); a full disk or quota ends the build as DISK_FULL. */
export function storageFault(what: string, error: unknown): CiError {
  if (error instanceof CiError) return error;
  const code = (error as NodeJS.ErrnoException).code;
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new CiError({
      code: 'storage/disk-full',
      message: `${what}: the worker's disk is full (${messageOf(error)}). Free some space there, or take fewer builds at once.`,
      result: 'DISK_FULL',
      cause: error,
    });
  }
  return new CiError({
    code: 'storage/fault',
    message: `${what} failed: ${messageOf(error)}. Look at the worker's folder and its permissions.`,
    cause: error,
  });
}
