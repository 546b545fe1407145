import type { ChangeInfo } from '../model/change.ts';
import type { GerritAccount, GerritEvent } from './types.ts';

/** How a person is called: the username, else the name, else the address. */
export const accountName = (account: GerritAccount | undefined): string | undefined =>
  account?.username || account?.name || account?.email || undefined;

/** The branch that a ref is; undefined for a ref that is none (refs/tags/…, refs/meta/…). */
export function branchOfRef(ref: string): string | undefined {
  if (ref.startsWith('refs/heads/')) return ref.slice('refs/heads/'.length);
  return ref.startsWith('refs/') ? undefined : ref;
}

/** Without the fields that are undefined, so that a copy by JSON is equal. */
const compact = <T extends object>(value: T): T =>
  Object.fromEntries(Object.entries(value).filter(([, field]) => field !== undefined)) as T;

/**
 * The change that an event is about; for ref-updated the updated ref. Undefined where the event names no project.
 * A URL that is not http(s) is left out: it ends up as a link on pages.
 *
 * @param server id of the gerrit-server node that the event came through
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
