/** Errors of a Gerrit server: settings that concern it, commands, the event stream and reviews. */
import { clip, plainLines } from '../util/plain-text.ts';
import { CiError, messageOf } from './ci-error.ts';

/** Returns what a server said, short enough for a sentence. */
const said = (text: string): string => {
  const line = plainLines(text).join(' ').replace(/\s+/g, ' ').trim();
  return line === '' ? 'it gave no reason' : `it said: ${clip(line, 300)}`;
};

// Settings

/** A project or branch pattern of a node is empty, or not a valid regular expression. @param index counted from 0 */
export const badPattern = (index: number, pattern: string, cause: unknown): CiError =>
  new CiError({
    code: 'gerrit/pattern',
    blame: 'config',
    message: `Row ${index + 1} of the list, "${pattern}", cannot be used: ${messageOf(cause)}.`,
    advice: 'Enter an exact name, a glob such as openstack/*, or a regular expression that matches the whole name.',
  });

/** A node's own expression for recheck comments is not a valid regular expression. */
export const badRecheck = (pattern: string, cause: unknown): CiError =>
  new CiError({
    code: 'gerrit/recheck-pattern',
    blame: 'config',
    message: `The recheck expression "${pattern}" cannot be used: ${messageOf(cause)}.`,
    advice: 'Leave it empty to accept the usual forms, such as recheck and <CI name> recheck.',
  });

/** A command for Gerrit would be sent with an empty argument. */
export const emptyArgument = (command: string): CiError =>
  new CiError({
    code: 'gerrit/empty-argument',
    blame: 'config',
    message: `An argument of "gerrit ${command}" is empty. Gerrit's command line would drop it and shift the others.`,
    advice: 'Is a project or a message missing?',
  });

// Commands

/** Gerrit could not run a command: it is starting, broken, or not a Gerrit server at all. */
export const commandFailed = (label: string, command: string, answer: string): CiError =>
  new CiError({
    code: 'gerrit/command-failed',
    blame: 'controller',
    message: `${label}: "gerrit ${command}" failed; ${said(answer)}.`,
    advice: 'Is this the SSH port of a Gerrit server (usually 29418)?',
    result: 'NODE_FAILURE',
    retryable: true,
  });

/** Gerrit rejected a query for changes, for example because of its syntax. */
export const queryRefused = (label: string, query: string, answer: string): CiError =>
  new CiError({
    code: 'gerrit/query-refused',
    blame: 'config',
    message: `${label}: the query "${query}" was refused; ${said(answer)}.`,
    advice: "Correct the node's projects and branches, or the search.",
  });

/** Gerrit did not finish answering a query for changes in time. */
export const queryTimeout = (label: string, milliseconds: number): CiError =>
  new CiError({
    code: 'gerrit/query-timeout',
    blame: 'controller',
    message: `${label}: a query did not finish within ${Math.round(milliseconds / 1000)} s; Recheck tries again later. The server may be overloaded.`,
    result: 'NODE_FAILURE',
    retryable: true,
  });

// The event stream

/** Gerrit does not let this account read events. */
export const mayNotStream = (label: string, user: string): CiError =>
  new CiError({
    code: 'gerrit/may-not-stream',
    blame: 'config',
    message: `${label}: the account ${user} may not read the event stream. It needs the global capability "Stream Events".`,
    advice: 'Ask an administrator of that Gerrit to add it to the group "Service Users".',
    result: 'NODE_FAILURE',
    isPermissionDenied: true,
  });

/** Gerrit closed the event stream, or the connection with it. */
export const streamEnded = (label: string, answer: string): CiError =>
  new CiError({
    code: 'gerrit/stream-ended',
    blame: 'controller',
    message: `${label}: the event stream ended; ${said(answer)}. Recheck opens it again.`,
    result: 'NODE_FAILURE',
    retryable: true,
  });

/** A command that checks the connection of a silent event stream failed. */
export const streamHung = (label: string, cause: unknown): CiError =>
  new CiError({
    code: 'gerrit/stream-hung',
    blame: 'controller',
    message: `${label}: the event stream is silent and the server does not answer (${messageOf(cause)}). Recheck reconnects.`,
    result: 'NODE_FAILURE',
    retryable: true,
    cause,
  });

/** The connection to Gerrit is up, but the command that streams events did not start. */
export const streamNotOpened = (label: string, cause: unknown): CiError =>
  new CiError({
    code: 'gerrit/stream-not-opened',
    blame: 'controller',
    message: `${label}: the event stream could not be opened: ${messageOf(cause)}. Recheck tries again.`,
    result: 'NODE_FAILURE',
    retryable: true,
    cause,
  });

/** A file of recorded events is missing or cannot be read. */
export const replayUnreadable = (path: string, cause: unknown): CiError =>
  new CiError({
    code: 'gerrit/replay',
    blame: 'config',
    message: `The recorded stream ${path} cannot be read: ${messageOf(cause)}.`,
    advice: 'It must be a text file with one JSON event per line.',
    cause,
  });

// Reviews

/** What a review was for, as messages call it. */
interface Reviewed {
  label: string;
  project: string;
  change: number;
  patchset: number;
}

const of = ({ label, project, change, patchset }: Reviewed): string =>
  `${label}: the review of ${change},${patchset} on ${project}`;

/** A change was merged or abandoned before its review could be posted. */
export const changeClosed = (what: Reviewed, answer: string): CiError =>
  new CiError({
    code: 'gerrit/change-closed',
    blame: 'controller',
    message: `${of(what)} was refused because the change is closed; ${said(answer)}. Recheck does not try again.`,
    advice: 'If it was abandoned, restore it and comment "recheck".',
  });

/** Gerrit does not know the patchset of a review: it was deleted, or is hidden from the account. */
export const noSuchPatchset = (what: Reviewed, answer: string): CiError =>
  new CiError({
    code: 'gerrit/no-such-patchset',
    blame: 'controller',
    message: `${of(what)} was refused: the patchset does not exist, or the account may not see it; ${said(answer)}. Recheck does not try again.`,
    advice: 'If the patchset exists, give the account read access to the project.',
  });

/** Gerrit rejected a review for a reason that trying again would not change. */
export const reviewRefused = (what: Reviewed, answer: string): CiError =>
  new CiError({
    code: 'gerrit/review-refused',
    blame: 'controller',
    message: `${of(what)} was refused; ${said(answer)}.`,
    advice: 'Check the review in the gerrit-review node, and the permissions of the account.',
  });

/** Gerrit could not store a review because of an error of its own. */
export const reviewFailed = (what: Reviewed, answer: string): CiError =>
  new CiError({
    code: 'gerrit/review-failed',
    blame: 'controller',
    message: `${of(what)} failed; ${said(answer)}. Recheck tries again.`,
    retryable: true,
  });
