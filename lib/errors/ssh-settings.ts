import { CiError } from './ci-error.ts';

export const keyFileUnreadable = (label: string, file: string, why: string): CiError =>
  new CiError({
    code: 'ssh-settings/key-file',
    message: `${label}: the key file ${file} cannot be read (${why}). Check the path, and that the controller's user may read it.`,
    result: 'ERROR',
  });
