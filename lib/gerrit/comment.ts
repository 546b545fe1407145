import type { GerritEvent } from './types.ts';

/** Characters of a text that are read; Gerrit's limit for a comment (change.commentSizeLimit) is 16 KiB. */
const MAX_TEXT_CHARS = 65_536;

/** `Patch Set 3: Code-Review+1 -Verified`, before the text. */
const HEADER = /^Patch Set \d+:(?: -?[\w-]+(?:[+-]\d+)?)*[ \t]*(?:\n+|$)/;

/** What Gerrit puts between the header and the message: `(2 comments)`, and a block about copied votes. */
const BLOCKS = [
  /^\(\d+ comments?\)(?:\n+|$)/,
  /^Copied votes on follow-up patch sets have been updated:\n(?:\* .*(?:\n|$))*\n*/,
];

/**
 * Returns a comment's text from the form in which Gerrit stores it: without `Patch Set N:` and its labels, the block
 * about copied votes and `(K comments)`. Gerrit's PostReviewOp writes them in this order, each only if needed.
 */
export function stripHeader(comment: string): string {
  let text = comment.slice(0, MAX_TEXT_CHARS).replaceAll('\r\n', '\n').replace(HEADER, '');
  for (let before = ''; before !== text; ) {
    before = text;
    for (const block of BLOCKS) text = text.replace(block, '');
  }
  return text.trim();
}

/**
 * Returns the text of a comment-added event; empty if it has only votes or inline comments. A patchset-level comment,
 * as the web UI posts them since 3.3, is in `comment` by default, but only in `patchSetComments` if
 * event.comment-added.publishPatchSetLevelComment is off: both are read.
 */
export function commentText(event: GerritEvent): string {
  const level = (event.patchSetComments?.['/PATCHSET_LEVEL'] ?? []).map(({ message }) => message ?? '');
  const own = stripHeader(event.comment ?? '');
  return [own, ...level.map((message) => message.trim()).filter((message) => message !== own)]
    .filter((text) => text !== '')
    .join('\n\n')
    .slice(0, MAX_TEXT_CHARS);
}

/**
 * Returns the votes of a comment by label. The event lists all labels; only those with an `oldValue` changed with this
 * comment.
 */
export function votesOf(event: GerritEvent): Record<string, number> {
  const votes: Record<string, number> = {};
  for (const { type, value, oldValue } of event.approvals ?? []) {
    if (type !== undefined && value !== undefined && oldValue !== undefined) votes[type] = Number(value);
  }
  return votes;
}
