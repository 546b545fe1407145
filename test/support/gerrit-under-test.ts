import type { SshTarget } from '../../lib/ssh/types.ts';

/** A comment as stored by Gerrit among the change's messages. */
export interface StoredMessage {
  /** Username of the author. */
  author: string;
  /** Full name of the author. */
  authorName: string;
  /** Missing if it was posted without a tag. */
  tag?: string;
  message: string;
  /** Milliseconds since the epoch. */
  date: number;
}

/** Contents of a patchset to push. */
export interface PushOptions {
  /** Subject of the commit; made up if missing. */
  subject?: string;
  /** Files of the commit; one file with unique content if missing. */
  files?: Record<string, string>;
  /** Change that gets a new patchset; a new change if missing. */
  change?: number;
}

/** A pushed patchset. */
export interface PushedPatchset {
  /** Change number. */
  number: number;
  patchset: number;
  /** refs/changes/34/1234/2 */
  ref: string;
  /** Commit of the patchset. */
  revision: string;
}

/**
 * How a person comments: `ui` as in the web UI (patchset-level; `comment` of the event has the text without a label
 * prefix), `message` as the message of a review (`gerrit review -m`).
 */
export type CommentStyle = 'ui' | 'message';

/**
 * A Gerrit that the contract tests run against: a real server or the sandbox's. It has one project with a branch
 * `master`, a label Verified -1..+1 that the CI's account may vote on, and a label Code-Review -2..+2 on which it may vote
 * only -1..+1 (so that 2 is restricted).
 */
export interface GerritUnderTest {
  /** Account of the CI: may stream events and vote Verified. */
  target: SshTarget;
  /** The same server with an account that may not stream events; missing if the server has none. */
  plainTarget?: SshTarget;
  /** Username of the CI's account. */
  ciUser: string;
  /** Full name of the CI's account, as reviews show it. */
  ciName: string;
  project: string;
  /** Pushes a patchset as a person who is not the CI. */
  pushChange(options?: PushOptions): Promise<PushedPatchset>;
  /** Comments on the change's newest patchset as a person who is not the CI; the default style is `ui`. */
  comment(change: number, text: string, style?: CommentStyle): Promise<void>;
  /** Returns the messages of the change, oldest first. */
  messages(change: number): Promise<StoredMessage[]>;
  /** Returns the votes of the CI's account on the newest patchset, by label; 0 or missing if it has none. */
  votes(change: number): Promise<Record<string, number>>;
  abandon(change: number): Promise<void>;
  /** Approves the change as a person with the right to, and submits it. */
  submit(change: number): Promise<void>;
  close(): Promise<void>;
}
