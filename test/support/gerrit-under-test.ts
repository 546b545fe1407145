import type { SshTarget } from '../../lib/ssh/types.ts';

/** A comment as Gerrit stored it among the change's messages. */
export interface StoredMessage {
  /** Username of who wrote it. */
  author: string;
  /** Full name of who wrote it. */
  authorName: string;
  /** Missing where it was posted without one. */
  tag?: string;
  message: string;
  /** Milliseconds since the epoch. */
  date: number;
}

/** What a pushed patchset is made of. */
export interface PushOptions {
  /** Subject of the commit; one is made up where missing. */
  subject?: string;
  /** Files of the commit; one file with unique content where missing. */
  files?: Record<string, string>;
  /** A new patchset of this change; missing: a new change. */
  change?: number;
}

/** A patchset that was pushed. */
export interface PushedPatchset {
  /** Change number. */
  number: number;
  patchset: number;
  /** refs/changes/34/1234/2 */
  ref: string;
  /** The patchset's commit. */
  revision: string;
}

/**
 * How a comment of a person is written: `ui` as the web UI does (patchset-level, the text is in `comment` of the event
 * with no label prefix), `message` as a review's message (`gerrit review -m`).
 */
export type CommentStyle = 'ui' | 'message';

/**
 * A Gerrit that the contract tests run against: the real server, or the sandbox's. It has one project with a branch
 * `master`, a label Verified -1..+1 that the CI's account may give, and a label Code-Review -2..+2 that it may see but
 * not give beyond -1..+1 (so that 2 is restricted).
 */
export interface GerritUnderTest {
  /** Account of the CI: may stream events and give Verified. */
  target: SshTarget;
  /** The same server with an account that may not stream events; missing where there is none to be had. */
  plainTarget?: SshTarget;
  /** Username of the CI's account. */
  ciUser: string;
  /** Full name of the CI's account, as reviews show it. */
  ciName: string;
  project: string;
  /** Pushes a patchset as a person who is not the CI. */
  pushChange(options?: PushOptions): Promise<PushedPatchset>;
  /** Comments on the change's newest patchset as a person who is not the CI; `ui` where no style is given. */
  comment(change: number, text: string, style?: CommentStyle): Promise<void>;
  /** The change's messages, oldest first. */
  messages(change: number): Promise<StoredMessage[]>;
  /** Votes of the CI's account on the newest patchset, by label; 0 or missing where it has none. */
  votes(change: number): Promise<Record<string, number>>;
  abandon(change: number): Promise<void>;
  /** Approves the change as a person who may, and submits it. */
  submit(change: number): Promise<void>;
  close(): Promise<void>;
}
