import type { ChangeInfo } from '../model/change.ts';
import type { GerritAccount, GerritEvent } from './types.ts';

/** Returns what to call an account: its username, else its name, else its address. */
export const accountName = (account: GerritAccount | undefined): string | undefined =>
  account?.username || account?.name || account?.email || undefined;

/** Returns the branch of a ref; undefined for other refs (refs/tags/…, refs/meta/…). */
export function branchOfRef(ref: string): string | undefined {
  if (ref.startsWith('refs/heads/')) return ref.slice('refs/heads/'.length);
  return ref.startsWith('refs/') ? undefined : ref;
}

/** Returns an object without undefined fields, so that a copy through JSON is equal. */
const compact = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;

/**
 * Returns the change of an event, or the updated ref of ref-updated; undefined if the event names no project. A URL
 * that is not http(s) is dropped because pages link to it.
 *
 * @param server id of the gerrit-server node that received the event
 */
export function changeOf(event: GerritEvent, server: string): ChangeInfo | undefined {
  const { change, patchSet, refUpdate } = event;
  if (change?.project) {
    return compact<ChangeInfo>({
      server,
      project: change.project,
      branch: change.branch,
      number: change.number,
      patchset: patchSet?.number,
      revision: patchSet?.revision,
      ref: patchSet?.ref,
      changeId: change.id,
      url: change.url && /^https?:\/\//i.test(change.url) ? change.url : undefined,
      subject: change.subject,
      owner: accountName(change.owner),
    });
  }
  if (!refUpdate?.project) return undefined;
  return compact<ChangeInfo>({
    server,
    project: refUpdate.project,
    branch: refUpdate.refName === undefined ? undefined : branchOfRef(refUpdate.refName),
    revision: refUpdate.newRev,
    ref: refUpdate.refName,
  });
}
