/** The change that a build is for, as one flat object. A property that the event does not have is missing. */
export interface ChangeInfo {
  /** Id of the gerrit-server configuration node that received the event. */
  server: string;
  project: string;
  branch?: string;
  /** Change number; missing if the event is not about a change, such as ref-updated. */
  number?: number;
  /** Patchset number. */
  patchset?: number;
  /** The patchset's commit, or the new revision of an updated ref. */
  revision?: string;
  /** Ref to fetch: `refs/changes/34/1234/2`, or the updated ref. */
  ref?: string;
  /** The change's Change-Id (I…). */
  changeId?: string;
  url?: string;
  subject?: string;
  owner?: string;
}
