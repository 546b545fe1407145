import { accountOf } from './accounts.ts';
import type { Change, Patchset } from './types.ts';

/** An event of the stream, with Gerrit's field names. */
export interface StreamEvent {
  type: string;
  [field: string]: unknown;
}

/** Converts milliseconds to whole seconds, Gerrit's unit of time. */
export const seconds = (milliseconds: number): number => Math.floor(milliseconds / 1000);

/**
 * Returns a line of JSON as Gerrit's Gson writes it: the special characters of HTML are escaped, so that code which
 * searches a line for raw text fails here and not in production.
 */
export const gsonLine = (value: unknown): string =>
  JSON.stringify(value).replace(/[<>&='\u2028\u2029]/g, (c) => `\\u${c.charCodeAt(0).toString(16).padStart(4, '0')}`);

/** Returns `{name, email, username}`; without `email` if the account has none. */
export function accountJson(username: string) {
  const { name, email } = accountOf(username);
  return { name, ...(email && { email }), username };
}

/** Returns a change as in events. `wip` and `private` are missing, as in Gerrit if they are false. */
export function changeJson(change: Change, patchset: Patchset, httpUrl: string | undefined) {
  return {
    project: change.project,
    branch: change.branch,
    id: change.id,
    number: change.number,
    subject: change.subject,
    owner: accountJson(change.owner),
    ...(httpUrl && { url: `${httpUrl}/${change.number}` }),
    commitMessage: patchset.commitMessage,
    createdOn: seconds(change.createdOn),
    status: change.status,
  };
}

/** Returns a patchset as events and queries show it (Gerrit's PatchSetAttribute). */
export function patchsetJson(patchset: Patchset) {
  const uploader = accountJson(patchset.uploader);
  return {
    number: patchset.number,
    revision: patchset.revision,
    parents: [patchset.parent],
    ref: patchset.ref,
    uploader,
    createdOn: seconds(patchset.createdOn),
    author: uploader,
    kind: patchset.kind,
    sizeInsertions: patchset.sizeInsertions,
    sizeDeletions: patchset.sizeDeletions,
  };
}

/** Returns a `ref-updated` event. */
export const refUpdated = (
  submitter: string,
  project: string,
  refName: string,
  oldRev: string | undefined,
  newRev: string,
): StreamEvent => ({
  submitter: accountJson(submitter),
  refUpdate: { oldRev: oldRev ?? '0'.repeat(40), newRev, refName, project },
  type: 'ref-updated',
  eventCreatedOn: seconds(Date.now()),
});

/** Returns an event about a patchset: its own fields first, then the common ones, in Gerrit's order. */
export const patchsetEvent = (
  type: string,
  own: Record<string, unknown>,
  change: Change,
  patchset: Patchset,
  httpUrl: string | undefined,
): StreamEvent => ({
  ...own,
  patchSet: patchsetJson(patchset),
  change: changeJson(change, patchset, httpUrl),
  project: change.project,
  refName: `refs/heads/${change.branch}`,
  changeKey: { id: change.id },
  type,
  eventCreatedOn: seconds(Date.now()),
});
