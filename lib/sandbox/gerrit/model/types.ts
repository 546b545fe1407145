/** An account of the sandbox Gerrit. */
export interface Account {
  id: number;
  username: string;
  /** Full name, as comments show it. */
  name: string;
  email?: string;
  /** Member of Service Users: may stream events and give Verified. */
  service: boolean;
  /** May do all: Code-Review +2, submit, abandon others' changes. */
  admin: boolean;
}

export type ChangeStatus = 'NEW' | 'MERGED' | 'ABANDONED';

/** Gerrit's PatchSet.kind, as far as the sandbox tells them apart. */
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

/** An entry of the change's log, as Gerrit's page shows it. */
export interface Message {
  /** Username. */
  author: string;
  /** Full name. */
  authorName: string;
  /** Missing where it was posted without one. */
  tag?: string;
  message: string;
  /** Milliseconds since the epoch. */
  date: number;
  /** The patchset that it is about. */
  patchset: number;
  /** Comments on files, or on the patchset, that were posted with it. */
  comments?: FileComment[];
}

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
  /** Tip of refs/changes/…/meta: what each ref-updated of it starts from. */
  meta: string;
  /** Oldest first. */
  patchsets: Patchset[];
  messages: Message[];
}

/** All that is kept of the server beside its git repository and its keys. */
export interface State {
  version: 1;
  changes: Change[];
}

/** The samples that the page and `npm start` upload: one that passes its tests and one that does not. */
export type SampleKind = 'good' | 'broken';

/** What a review is made of; Gerrit's ReviewInput, as far as a CI and the page use it. */
export interface ReviewInput {
  message?: string;
  tag?: string;
  labels?: Record<string, number>;
  comments?: Record<string, { line?: number; message?: string }[]>;
}

/** The patchset that is newest. */
export const newest = (change: Change): Patchset => change.patchsets.at(-1)!;

/** Whether the change takes votes and patchsets. */
export const isOpen = (change: Change): boolean => change.status === 'NEW';
