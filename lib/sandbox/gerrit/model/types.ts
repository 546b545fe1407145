/** An account of the sandbox Gerrit. */
export interface Account {
  id: number;
  username: string;
  /** Full name, as shown with comments. */
  name: string;
  email?: string;
  /** Whether it is in Service Users: may stream events and vote on Verified. */
  service: boolean;
  /** Whether it may do everything: Code-Review +2, submit, abandon changes of others. */
  admin: boolean;
}

/** Gerrit's Change.status. */
export type ChangeStatus = 'NEW' | 'MERGED' | 'ABANDONED';

/** Gerrit's PatchSet.kind, as far as the sandbox distinguishes them. */
export type PatchsetKind = 'REWORK' | 'NO_CODE_CHANGE' | 'NO_CHANGE';

/** An account's vote on a patchset. */
export interface Vote {
  label: string;
  value: number;
  /** Username. */
  by: string;
  /** Milliseconds since the epoch. */
  date: number;
}

/** A comment on a file, or on the whole patchset (file `/PATCHSET_LEVEL`, line 0). */
export interface FileComment {
  file: string;
  line: number;
  message: string;
}

/** A patchset, as the sandbox stores it. */
export interface Patchset {
  number: number;
  /** Its commit. */
  revision: string;
  parent: string;
  /** refs/changes/34/1234/2 */
  ref: string;
  /** Username. */
  uploader: string;
  /** Milliseconds since the epoch. */
  createdOn: number;
  kind: PatchsetKind;
  commitMessage: string;
  sizeInsertions: number;
  sizeDeletions: number;
  votes: Vote[];
}

/** An entry of the change's log, as Gerrit's UI shows it. */
export interface Message {
  /** Username. */
  author: string;
  /** Full name. */
  authorName: string;
  /** Missing if it was posted without one. */
  tag?: string;
  message: string;
  /** Milliseconds since the epoch. */
  date: number;
  /** Number of its patchset. */
  patchset: number;
  /** Comments on files or on the patchset, posted with it. */
  comments?: FileComment[];
}

/** A change, as the sandbox stores it. */
export interface Change {
  number: number;
  project: string;
  branch: string;
  /** Change-Id (I…). */
  id: string;
  subject: string;
  /** Username. */
  owner: string;
  status: ChangeStatus;
  /** Milliseconds since the epoch. */
  createdOn: number;
  updatedOn: number;
  /** Tip of refs/changes/…/meta: the old revision of its next ref-updated. */
  meta: string;
  /** Oldest first. */
  patchsets: Patchset[];
  messages: Message[];
}

/** All stored data of the server except its git repository and its keys. */
export interface State {
  version: 1;
  changes: Change[];
}

/** The samples that the page and `npm start` upload: one passes its tests, the other does not. */
export type SampleKind = 'good' | 'broken';

/** Gerrit's ReviewInput, as far as a CI and the page use it. */
export interface ReviewInput {
  message?: string;
  tag?: string;
  labels?: Record<string, number>;
  comments?: Record<string, { line?: number; message?: string }[]>;
}

/** Returns the newest patchset. */
export const newest = (change: Change): Patchset => change.patchsets.at(-1)!;

/** Returns whether the change accepts votes and patchsets. */
export const isOpen = (change: Change): boolean => change.status === 'NEW';
