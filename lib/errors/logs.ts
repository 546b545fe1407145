/** Errors of fetching and writing log files. */
import { CiError, isDiskFull, messageOf } from './ci-error.ts';

/**
 * Describes a failed write to the log folder of the controller. A full disk ends the build as DISK_FULL, anything else
 * as POST_FAILURE.
 */
export const logWriteFailed = (path: string, cause: unknown): CiError => {
  if (isDiskFull(cause)) {
    return new CiError({
      code: 'logs/disk-full',
      blame: 'controller',
      message: `logs: no space is left for ${path} on this machine.`,
      advice: 'Free some space, or lower the days or GB that publish-logs keeps.',
      result: 'DISK_FULL',
      retryable: true,
      namesLogFile: true,
      cause,
    });
  }
  const forbidden = ['EACCES', 'EPERM', 'EROFS'].includes((cause as NodeJS.ErrnoException | undefined)?.code ?? '');
  return new CiError({
    code: 'logs/write',
    blame: 'controller',
    message: `logs: ${path} cannot be written (${messageOf(cause)}).`,
    advice: forbidden
      ? 'Give the user that runs Node-RED write access there, or choose another log folder in publish-logs.'
      : 'Check that folder, or choose another in publish-logs.',
    result: 'POST_FAILURE',
    namesLogFile: true,
    cause,
  });
};

/** Describes an SFTP session or a connection to a guest that ended while files were fetched. */
export const fetchLost = (guest: string, path: string, cause: unknown): CiError =>
  new CiError({
    code: 'logs/fetch-lost',
    blame: 'guest',
    message: `logs: guest ${guest}: the connection was lost while fetching ${path} (${messageOf(cause).replace(/\.$/, '')}). The files fetched before are published.`,
    advice: "See the guest's console for the reason.",
    result: 'POST_FAILURE',
    retryable: true,
    namesLogFile: true,
    cause,
  });

/** Describes a guest's tar that ended in the middle of a file, or sent something that is not an archive. */
export const fetchBroken = (guest: string, path: string, cause: unknown): CiError =>
  new CiError({
    code: 'logs/fetch-broken',
    blame: 'guest',
    message: `logs: guest ${guest}: ${path} arrived incomplete (${messageOf(cause).replace(/\.$/, '')}). The files fetched before are published.`,
    advice: 'Is the guest out of memory?',
    result: 'POST_FAILURE',
    retryable: true,
    namesLogFile: true,
    cause,
  });

/** Describes a guest that did not answer a request for files in time. */
export const fetchSilent = (guest: string, path: string, seconds: number): CiError =>
  new CiError({
    code: 'logs/fetch-silent',
    blame: 'guest',
    message: `logs: guest ${guest} did not answer for ${seconds} s while fetching ${path}. The files fetched before are published.`,
    advice: 'Is the guest out of memory, or does its disk hang?',
    result: 'POST_FAILURE',
    retryable: true,
    namesLogFile: true,
  });
