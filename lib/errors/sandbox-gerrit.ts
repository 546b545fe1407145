import { quoted } from '../util/plain-text.ts';
import { CiError, messageOf } from './ci-error.ts';

export const gitMissing = (cause: unknown): CiError =>
  new CiError({
    code: 'sandbox/git-missing',
    message:
      'The sandbox Gerrit keeps its changes in a git repository, and there is no git on this machine (nothing named git is on PATH). Install it, for example with "apt-get install git", and start again.',
    result: 'ERROR',
    cause,
  });

export const gitFailed = (args: readonly string[], said: string): CiError =>
  new CiError({
    code: 'sandbox/git-failed',
    message: `sandbox Gerrit: git ${args[0] ?? ''} failed: ${quoted(said, 5, 300) || 'it gave no reason'}. If its folder was changed by hand, delete the folder to start over.`,
    result: 'ERROR',
  });

export const stateUnreadable = (file: string, cause: unknown): CiError =>
  new CiError({
    code: 'sandbox/state-unreadable',
    message: `sandbox Gerrit: its state in ${file} cannot be read (${messageOf(cause)}). Delete the folder that it stands in to start over.`,
    result: 'ERROR',
    cause,
  });

export const stateTooNew = (file: string, version: unknown): CiError =>
  new CiError({
    code: 'sandbox/state-version',
    message: `sandbox Gerrit: the state in ${file} has version ${String(version)}, which this release cannot read. Delete the folder that it stands in to start over.`,
    result: 'ERROR',
  });

export const cannotListen = (port: number, cause: unknown): CiError =>
  new CiError({
    code: 'sandbox/port',
    message: `sandbox Gerrit: cannot listen on 127.0.0.1:${port} (${messageOf(cause)}). Another program may have that port: stop it, or give another port, or 0 for a free one.`,
    result: 'ERROR',
    cause,
  });

export const noSuchChange = (change: number): CiError =>
  new CiError({
    code: 'sandbox/no-such-change',
    message: `sandbox Gerrit: there is no change ${change}. Upload a patchset to make one.`,
    result: 'ERROR',
  });

export const noSuchAccount = (user: string): CiError =>
  new CiError({
    code: 'sandbox/no-such-account',
    message: `sandbox Gerrit: there is no account "${user}". Its accounts are my-ci, ann and admin.`,
    result: 'ERROR',
  });

export const changeClosed = (change: number, status: string): CiError =>
  new CiError({
    code: 'sandbox/change-closed',
    message: `sandbox Gerrit: change ${change} is ${status.toLowerCase()}, so this cannot be done to it. Upload a new change.`,
    result: 'ERROR',
  });

export const emptyComment = (): CiError =>
  new CiError({
    code: 'sandbox/empty-comment',
    message: 'sandbox Gerrit: the comment is empty. Write something, such as "recheck".',
    result: 'ERROR',
  });

export const mergeConflict = (change: number, path: string): CiError =>
  new CiError({
    code: 'sandbox/merge-conflict',
    message: `sandbox Gerrit: change ${change} cannot be merged: the branch has changed ${path} since. Upload a new change.`,
    result: 'ERROR',
  });

export const badFileName = (path: string): CiError =>
  new CiError({
    code: 'sandbox/file-name',
    message: `sandbox Gerrit: "${path}" cannot be a file of a patchset. Give a relative path without "..", such as src/a.txt.`,
    result: 'ERROR',
  });

export const reviewRefused = (words: string): CiError =>
  new CiError({
    code: 'sandbox/review-refused',
    message: `sandbox Gerrit refused this comment: ${words}. Nothing was posted.`,
    result: 'ERROR',
  });
