import { clip, plainLines } from '../util/plain-text.ts';
import { CiError, messageOf } from './ci-error.ts';

/** What a server said, short enough for a sentence. */
const said = (text: string): string => {
  const line = plainLines(text).join(' ').replace(/\s+/g, ' ').trim();
  return line === '' ? 'it gave no reason' : `it said: ${clip(line, 300)}`;
};

// Settings

export const badPattern = (index: number, pattern: string, cause: unknown): CiError =>
  new CiError({
    code: 'gerrit/pattern',
    message: `Row ${index + 1} of the list, "${pattern}", cannot be used: ${messageOf(cause)}. Give an exact name, a glob such as openstack/*, or a regular expression for the whole name.`,
    result: 'ERROR',
  });

export const badRecheck = (pattern: string, cause: unknown): CiError =>
  new CiError({
    code: 'gerrit/recheck-pattern',
    message: `The recheck expression "${pattern}" cannot be used: ${messageOf(cause)}. Leave it empty for the usual forms, such as recheck and <CI name> recheck.`,
    result: 'ERROR',
  });

export const emptyArgument = (command: string): CiError =>
  new CiError({
    code: 'gerrit/empty-argument',
    message: `An argument of "gerrit ${command}" is empty, and Gerrit's command line would lose it and shift the others. Is a project or a message missing?`,
    result: 'ERROR',
  });

// Commands

export const commandFailed = (label: string, command: string, answer: string): CiError =>
  new CiError({
    code: 'gerrit/command-failed',
    message: `${label}: "gerrit ${command}" failed; ${said(answer)}. Is this a Gerrit server's SSH port (usually 29418)?`,
    transient: true,
  });

export const queryRefused = (label: string, query: string, answer: string): CiError =>
  new CiError({
    code: 'gerrit/query-refused',
    message: `${label}: the query "${query}" was refused; ${said(answer)}.`,
    result: 'ERROR',
  });

export const queryTimeout = (label: string, milliseconds: number): CiError =>
  new CiError({
    code: 'gerrit/query-timeout',
    message: `${label}: a query had no end after ${Math.round(milliseconds / 1000)} s. The server may be overloaded; it is asked again later.`,
    transient: true,
  });

// The event stream

export const mayNotStream = (label: string, user: string): CiError =>
  new CiError({
    code: 'gerrit/may-not-stream',
    message: `${label}: the account ${user} may not read the event stream. It needs the global capability "Stream Events": ask an administrator of that Gerrit to add it to the group "Service Users".`,
  });

export const streamEnded = (label: string, answer: string): CiError =>
  new CiError({
    code: 'gerrit/stream-ended',
    message: `${label}: the event stream ended; ${said(answer)}. It is opened again.`,
    transient: true,
  });

export const streamHung = (label: string, cause: unknown): CiError =>
  new CiError({
    code: 'gerrit/stream-hung',
    message: `${label}: the event stream fell silent and the server no longer answers (${messageOf(cause)}). The connection is cut and made again.`,
    transient: true,
    cause,
  });

export const streamNotOpened = (label: string, cause: unknown): CiError =>
  new CiError({
    code: 'gerrit/stream-not-opened',
    message: `${label}: the event stream could not be opened: ${messageOf(cause)}. It is tried again.`,
    transient: true,
    cause,
  });

export const replayUnreadable = (path: string, cause: unknown): CiError =>
  new CiError({
    code: 'gerrit/replay',
    message: `The recorded stream ${path} cannot be read: ${messageOf(cause)}. It must be a text file with one JSON event a line.`,
    result: 'ERROR',
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

export const changeClosed = (what: Reviewed, answer: string): CiError =>
  new CiError({
    code: 'gerrit/change-closed',
    message: `${of(what)} was not taken, because the change is closed; ${said(answer)}. It is not tried again.`,
    result: 'ERROR',
  });

export const noSuchPatchset = (what: Reviewed, answer: string): CiError =>
  new CiError({
    code: 'gerrit/no-such-patchset',
    message: `${of(what)} was not taken: there is no such patchset, or the account may not see it; ${said(answer)}. It is not tried again.`,
    result: 'ERROR',
  });

export const reviewRefused = (what: Reviewed, answer: string): CiError =>
  new CiError({
    code: 'gerrit/review-refused',
    message: `${of(what)} was refused; ${said(answer)}.`,
    result: 'ERROR',
  });

export const reviewFailed = (what: Reviewed, answer: string): CiError =>
  new CiError({
    code: 'gerrit/review-failed',
    message: `${of(what)} failed; ${said(answer)}. It is tried again.`,
    result: 'ERROR',
    transient: true,
  });
