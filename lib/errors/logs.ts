import { CiError, messageOf } from './ci-error.ts';

const codeOf = (cause: unknown): string | undefined => (cause as NodeJS.ErrnoException | undefined)?.code;

/** A write into the log folder failed. A full disk ends the build as DISK_FULL, anything else as POST_FAILURE. */
export const logWriteFailed = (path: string, cause: unknown): CiError => {
  const code = codeOf(cause);
  if (code === 'ENOSPC' || code === 'EDQUOT') {
    return new CiError({
      code: 'logs/disk-full',
      message: `logs: no space is left for ${path} on this machine. Free some, or lower the days or GB that publish-logs keeps.`,
      result: 'DISK_FULL',
      transient: true,
      cause,
    });
  }
  const hint =
    code === 'EACCES' || code === 'EPERM' || code === 'EROFS'
      ? 'Give the user that runs this process the right to write there, or choose another log folder in publish-logs.'
      : 'Look at that folder, or choose another in publish-logs.';
  return new CiError({
    code: 'logs/write',
    message: `logs: ${path} cannot be written (${messageOf(cause)}). ${hint}`,
    result: 'POST_FAILURE',
    cause,
  });
};

/** The SFTP session of a guest ended, or gave no answer for `seconds`, while files were fetched. */
export const fetchLost = (guest: string, path: string, cause: unknown): CiError =>
  new CiError({
    code: 'logs/fetch-lost',
    message: `logs: guest ${guest}: the connection was lost while ${path} was fetched (${messageOf(cause)}). Files fetched before that are published; see the guest's console for why it went away.`,
    result: 'POST_FAILURE',
    transient: true,
    cause,
  });

/** The guest's tar ended within a file, or sent what is no archive. */
export const fetchBroken = (guest: string, path: string, cause: unknown): CiError =>
  new CiError({
    code: 'logs/fetch-broken',
    message: `logs: guest ${guest}: ${path} broke off while it was fetched (${messageOf(cause)}). Files fetched before that are published; is the guest out of memory?`,
    result: 'POST_FAILURE',
    transient: true,
    cause,
  });

/** The guest did not answer a request for files in time. */
export const fetchSilent = (guest: string, path: string, seconds: number): CiError =>
  new CiError({
    code: 'logs/fetch-silent',
    message: `logs: guest ${guest} gave no answer for ${seconds} s while ${path} was fetched. Files fetched before that are published; is the guest out of memory, or its disk hung?`,
    result: 'POST_FAILURE',
    transient: true,
  });
