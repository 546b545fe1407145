/** Errors of an SSH connection's settings. */
import { CiError } from './ci-error.ts';

/** The file with the private key of a connection cannot be read on the controller. @param why the system's words */
export const keyFileUnreadable = (label: string, file: string, why: string): CiError =>
  new CiError({
    code: 'ssh-settings/key-file',
    blame: 'config',
    message: `${label}: the key file ${file} cannot be read (${why}).`,
    advice: 'Check the path, and that the user that runs Node-RED may read it.',
  });
