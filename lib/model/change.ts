/** The change that a build is for: Gerrit's facts, flat, each missing where the event did not carry it. */
export interface ChangeInfo {
  /** Id of the gerrit-server configuration node that the event came through. */
  server: string;
  project: string;
  branch?: string;
  /** Change number. Missing for an event without a change, such as ref-updated. */
  number?: number;
  /** Patchset number. */
  patchset?: number;
  /** The patchset's commit, or the new revision of an updated ref. */
  revision?: string;
  /** What to fetch: refs/changes/34/1234/2, or the updated ref. */
  ref?: string;
  /** The change's Change-Id (I…). */
  changeId?: string;
  url?: string;
  subject?: string;
  owner?: string;
}
