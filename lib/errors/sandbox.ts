/** Errors of the sandbox Gerrit. */
import { quoted } from '../util/plain-text.ts';
import { CiError, messageOf } from './ci-error.ts';

/** The sandbox Gerrit starts on a machine without git. */
export const gitMissing = (cause: unknown): CiError =>
  new CiError({
    code: 'sandbox/git-missing',
    blame: 'controller',
    message:
      'The sandbox Gerrit keeps its changes in a git repository, but git is not installed on this machine (not found in PATH).',
    advice: 'Install it, for example with "apt-get install git", and start again.',
    cause,
  });

/**
 * A git command of the sandbox Gerrit failed, usually because its repository was changed from outside.
 *
 * @param said the command's stderr
 */
export const gitFailed = (args: readonly string[], said: string): CiError =>
  new CiError({
    code: 'sandbox/git-failed',
    blame: 'controller',
    message: `sandbox Gerrit: git ${args[0] ?? ''} failed: ${quoted(said, 5, 300) || 'it gave no reason'}.`,
    advice: 'If its folder was changed by hand, delete the folder to start over.',
  });

/** The state file of the sandbox Gerrit is damaged or not readable. */
export const stateUnreadable = (file: string, cause: unknown): CiError =>
  new CiError({
    code: 'sandbox/state-unreadable',
    blame: 'controller',
    message: `sandbox Gerrit: its state in ${file} cannot be read (${messageOf(cause)}).`,
    advice: 'Delete the folder that contains it to start over.',
    cause,
  });

/** The state file of the sandbox Gerrit was written by a newer release. */
export const stateTooNew = (file: string, version: unknown): CiError =>
  new CiError({
    code: 'sandbox/state-version',
    blame: 'controller',
    message: `sandbox Gerrit: the state in ${file} has version ${String(version)}, which this release cannot read.`,
    advice: 'Delete the folder that contains it to start over.',
  });

/** The port of the sandbox Gerrit is in use, or this user may not open it. */
export const cannotListen = (port: number, cause: unknown): CiError =>
  new CiError({
    code: 'sandbox/port',
    blame: 'controller',
    message: `sandbox Gerrit: cannot listen on 127.0.0.1:${port} (${messageOf(cause)}).`,
    advice: 'Another program may use that port: stop it, or set another port, or 0 for any free port.',
    cause,
  });

/** A command or a request names a change that the sandbox Gerrit does not have. */
export const noSuchChange = (change: number): CiError =>
  new CiError({
    code: 'sandbox/no-such-change',
    blame: 'config',
    message: `sandbox Gerrit: there is no change ${change}.`,
    advice: 'Upload a patchset to create one.',
    isNotFound: true,
  });

/** An unknown user name is used in the sandbox Gerrit. */
export const noSuchAccount = (user: string): CiError =>
  new CiError({
    code: 'sandbox/no-such-account',
    blame: 'config',
    message: `sandbox Gerrit: there is no account "${user}".`,
    advice: 'Its accounts are my-ci, ann and admin.',
  });

/**
 * A change of the sandbox Gerrit that was merged or abandoned is to be modified.
 *
 * @param status as Gerrit spells it: "MERGED"
 */
export const sandboxChangeClosed = (change: number, status: string): CiError =>
  new CiError({
    code: 'sandbox/change-closed',
    blame: 'config',
    message: `sandbox Gerrit: change ${change} is ${status.toLowerCase()} and cannot be modified.`,
    advice: 'Upload a new change.',
  });

/** A comment without text is posted on a change of the sandbox Gerrit. */
export const emptyComment = (): CiError =>
  new CiError({
    code: 'sandbox/empty-comment',
    blame: 'config',
    message: 'sandbox Gerrit: the comment is empty.',
    advice: 'Write something, such as "recheck".',
  });

/** A file of a change in the sandbox Gerrit was modified on the branch by another change. */
export const mergeConflict = (change: number, path: string): CiError =>
  new CiError({
    code: 'sandbox/merge-conflict',
    blame: 'patch',
    message: `sandbox Gerrit: change ${change} cannot be merged: ${path} has changed on the branch since.`,
    advice: 'Upload a new change.',
    result: 'ERROR',
  });

/** A file of an uploaded patchset would be outside of the sandbox Gerrit's repository. */
export const badFileName = (path: string): CiError =>
  new CiError({
    code: 'sandbox/file-name',
    blame: 'config',
    message: `sandbox Gerrit: "${path}" cannot be a file of a patchset.`,
    advice: 'Use a relative path without "..", such as src/a.txt.',
  });

/** A review posted from inside this process was refused, as `gerrit review` would refuse it. */
export const sandboxReviewRefused = (words: string): CiError =>
  new CiError({
    code: 'sandbox/review-refused',
    blame: 'config',
    message: `sandbox Gerrit refused this comment: ${words}. Nothing was posted.`,
  });
