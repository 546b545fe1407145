import type { GerritEvent } from './types.ts';

/** Longest text that is looked at, in characters: Gerrit's own limit of a comment (change.commentSizeLimit) is 16 KiB. */
const MAX_TEXT = 65_536;

/** `Patch Set 3: Code-Review+1 -Verified`, and the rest behind it. */
const HEADER = /^Patch Set \d+:(?: -?[\w-]+(?:[+-]\d+)?)*[ \t]*(?:\n+|$)/;

/** What Gerrit puts between the header and the message: `(2 comments)`, and what became of copied votes. */
const BLOCKS = [
  /^\(\d+ comments?\)(?:\n+|$)/,
  /^Copied votes on follow-up patch sets have been updated:\n(?:\* .*(?:\n|$))*\n*/,
];

/**
 * The words of a comment as Gerrit stores it: without `Patch Set N:` and its labels, the block about copied votes and
 * `(K comments)`. PostReviewOp of Gerrit writes them in this order, each left out where there is nothing to say.
 */
export function stripHeader(comment: string): string {
  let text = comment.slice(0, MAX_TEXT).replaceAll('\r\n', '\n').replace(HEADER, '');
  for (let before = ''; before !== text; ) {
    before = text;
    for (const block of BLOCKS) text = text.replace(block, '');
  }
  return text.trim();
}

/**
 * What somebody wrote in a comment-added event; empty where only votes or inline comments were given. A patchset-level
 * comment, as the web UI posts them since 3.3, stands in `comment` by default, and where
 * event.comment-added.publishPatchSetLevelComment is off only in `patchSetComments`: both are looked at.
 */
export function commentText(event: GerritEvent): string {
  const level = (event.patchSetComments?.['/PATCHSET_LEVEL'] ?? []).map(({ message }) => message ?? '');
  const own = stripHeader(event.comment ?? '');
  return [own, ...level.map((message) => message.trim()).filter((message) => message !== own)]
    .filter((text) => text !== '')
    .join('\n\n')
    .slice(0, MAX_TEXT);
}

/**
 * The votes that a comment gave, by label. The event lists all labels; only those with an `oldValue` changed with this
 * comment.
 */
export function votesOf(event: GerritEvent): Record<string, number> {
  const votes: Record<string, number> = {};
  for (const { type, value, oldValue } of event.approvals ?? []) {
    if (type !== undefined && value !== undefined && oldValue !== undefined) votes[type] = Number(value);
  }
  return votes;
}
