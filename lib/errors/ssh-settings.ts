/** Errors of an SSH connection's settings. */
import { CiError } from './ci-error.ts';

export const keyFileUnreadable = (label: string, file: string, why: string): CiError =>
  new CiError({
    code: 'ssh-settings/key-file',
    blame: 'config',
    message: `${label}: the key file ${file} cannot be read (${why}).`,
    advice: 'Check the path, and that the user that runs Node-RED may read it.',
  });
