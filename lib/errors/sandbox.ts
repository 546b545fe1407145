/** Errors of the sandbox Gerrit. */
import { quoted } from '../util/plain-text.ts';
import { CiError, messageOf } from './ci-error.ts';

export const gitMissing = (cause: unknown): CiError =>
  new CiError({
    code: 'sandbox/git-missing',
    blame: 'controller',
    message:
      'The sandbox Gerrit keeps its changes in a git repository, but git is not installed on this machine (not found in PATH).',
    advice: 'Install it, for example with "apt-get install git", and start again.',
    cause,
  });

export const gitFailed = (args: readonly string[], said: string): CiError =>
  new CiError({
    code: 'sandbox/git-failed',
    blame: 'controller',
    message: `sandbox Gerrit: git ${args[0] ?? ''} failed: ${quoted(said, 5, 300) || 'it gave no reason'}.`,
    advice: 'If its folder was changed by hand, delete the folder to start over.',
  });

export const stateUnreadable = (file: string, cause: unknown): CiError =>
  new CiError({
    code: 'sandbox/state-unreadable',
    blame: 'controller',
    message: `sandbox Gerrit: its state in ${file} cannot be read (${messageOf(cause)}).`,
    advice: 'Delete the folder that contains it to start over.',
    cause,
  });

export const stateTooNew = (file: string, version: unknown): CiError =>
  new CiError({
    code: 'sandbox/state-version',
    blame: 'controller',
    message: `sandbox Gerrit: the state in ${file} has version ${String(version)}, which this release cannot read.`,
    advice: 'Delete the folder that contains it to start over.',
  });

export const cannotListen = (port: number, cause: unknown): CiError =>
  new CiError({
    code: 'sandbox/port',
    blame: 'controller',
    message: `sandbox Gerrit: cannot listen on 127.0.0.1:${port} (${messageOf(cause)}).`,
    advice: 'Another program may use that port: stop it, or set another port, or 0 for any free port.',
    cause,
  });

export const noSuchChange = (change: number): CiError =>
  new CiError({
    code: 'sandbox/no-such-change',
    blame: 'config',
    message: `sandbox Gerrit: there is no change ${change}.`,
    advice: 'Upload a patchset to create one.',
    isNotFound: true,
  });

export const noSuchAccount = (user: string): CiError =>
  new CiError({
    code: 'sandbox/no-such-account',
    blame: 'config',
    message: `sandbox Gerrit: there is no account "${user}".`,
    advice: 'Its accounts are my-ci, ann and admin.',
  });

export const sandboxChangeClosed = (change: number, status: string): CiError =>
  new CiError({
    code: 'sandbox/change-closed',
    blame: 'config',
    message: `sandbox Gerrit: change ${change} is ${status.toLowerCase()} and cannot be modified.`,
    advice: 'Upload a new change.',
  });

export const emptyComment = (): CiError =>
  new CiError({
    code: 'sandbox/empty-comment',
    blame: 'config',
    message: 'sandbox Gerrit: the comment is empty.',
    advice: 'Write something, such as "recheck".',
  });

export const mergeConflict = (change: number, path: string): CiError =>
  new CiError({
    code: 'sandbox/merge-conflict',
    blame: 'patch',
    message: `sandbox Gerrit: change ${change} cannot be merged: ${path} has changed on the branch since.`,
    advice: 'Upload a new change.',
    result: 'ERROR',
  });

export const badFileName = (path: string): CiError =>
  new CiError({
    code: 'sandbox/file-name',
    blame: 'config',
    message: `sandbox Gerrit: "${path}" cannot be a file of a patchset.`,
    advice: 'Use a relative path without "..", such as src/a.txt.',
  });

export const sandboxReviewRefused = (words: string): CiError =>
  new CiError({
    code: 'sandbox/review-refused',
    blame: 'config',
    message: `sandbox Gerrit refused this comment: ${words}. Nothing was posted.`,
  });
