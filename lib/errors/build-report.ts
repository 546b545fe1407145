/** Errors of a build's end: fetching its logs and posting its report. */
import { asSentence, CiError } from './ci-error.ts';

/**
 * Logs are missing because guests or the controller failed while they were fetched.
 *
 * @param why the faults of all guests, as sentences
 */
export const postFailed = (why: string): CiError =>
  new CiError({
    code: 'build/post-failed',
    blame: 'guest',
    message: `The logs could not be fetched: ${asSentence(why)}`,
    result: 'POST_FAILURE',
  });

/** Fetching a guest's files exceeded its time limit. The message becomes part of postFailed's. */
export const fetchTooLong = (guest: string, minutes: number): CiError =>
  new CiError({
    code: 'build/fetch-too-long',
    blame: 'guest',
    message: `the files of guest ${guest} were not fetched within ${minutes} min; those that arrived are kept.`,
    advice: 'Fetch fewer files, or compress them in the guest first.',
    result: 'POST_FAILURE',
  });

/** Rows of msg.comments are malformed, or there are too many. */
export const badComments = (count: number): CiError =>
  new CiError({
    code: 'build/bad-comments',
    blame: 'config',
    message: `${count} inline comments in msg.comments were left out.`,
    advice: 'Send {file: [{line, message}]}, at most 500 comments.',
  });

/** A report is due while its Gerrit server is disconnected. @param why the connection's last error; may be empty */
export const serverDown = (server: string, why: string): CiError =>
  new CiError({
    code: 'build/server-down',
    blame: 'controller',
    message: `${server} is not connected${why ? ` (${why})` : ''}. The report is posted when it is connected again.`,
    result: 'NODE_FAILURE',
    retryable: true,
    awaitsConnection: true,
  });

/** A report is due, but its gerrit-server node was deleted or disabled. @param server the node's id */
export const serverMissing = (server: string): CiError =>
  new CiError({
    code: 'build/no-server',
    blame: 'config',
    message: `The Gerrit server (${server}) of this report is not in the flow. The report is kept until it is deployed again.`,
    advice: 'To report other builds elsewhere, select another server in the gerrit-review node.',
    result: 'NODE_FAILURE',
    retryable: true,
  });

/** A report is due for a change that did not come from a Gerrit server, and its node selects none. */
export const noServer = (): CiError =>
  new CiError({
    code: 'build/no-server-named',
    blame: 'config',
    message: 'This change names no Gerrit server, so its report cannot be posted.',
    advice: 'Select a server in the gerrit-review node, or send change.server.',
  });

/**
 * All builds of a buildset have ended, but the gerrit-review node that waited for them was deleted.
 *
 * @param label one of its builds
 */
export const reviewGone = (label: string): CiError =>
  new CiError({
    code: 'build/review-gone',
    blame: 'config',
    message: `The gerrit-review node that should report ${label} is no longer in the flow, so nothing was posted.`,
    advice: 'Comment "recheck" on the change to run it again.',
  });
