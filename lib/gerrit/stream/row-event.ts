import { stripHeader } from '../comment.ts';
import type { QueryRow } from '../query.ts';
import type { GerritEvent } from '../types.ts';

/** Returns the patchset-created event of a query row's newest patchset. */
export function patchsetEvent(row: QueryRow): GerritEvent | undefined {
  const {
    currentPatchSet,
    comments: _messages,
    submitRecords: _records,
    lastUpdated: _at,
    open: _open,
    ...change
  } = row;
  if (change.project === undefined || change.number === undefined || currentPatchSet?.number === undefined)
    return undefined;
  const { approvals: _approvals, comments: _comments, ...patchSet } = currentPatchSet;
  return {
    type: 'patchset-created',
    change,
    patchSet,
    uploader: patchSet.uploader,
    eventCreatedOn: patchSet.createdOn,
  };
}

/**
 * Returns the messages on the newest patchset as comment-added events. The text of a comment written in the UI is only
 * in the patchset's comments, without a time; the change's message says `(1 comment)` and has the time. Both are in
 * order, so a person's last such messages are matched with that person's last patchset-level comments. With inline
 * comments among them that is a guess, which may return a recheck twice.
 */
export function commentEvents(row: QueryRow, uploaded: GerritEvent): GerritEvent[] {
  const { change, patchSet } = uploaded;
  const own = `Patch Set ${patchSet!.number}:`;
  const waiting = new Map<string, string[]>();
  for (const { file, reviewer, message } of row.currentPatchSet?.comments ?? []) {
    const who = reviewer?.username ?? reviewer?.name;
    if (file !== '/PATCHSET_LEVEL' || who === undefined || message === undefined) continue;
    const texts = waiting.get(who);
    if (texts) texts.push(message);
    else waiting.set(who, [message]);
  }
  const events: GerritEvent[] = [];
  // From the newest back, because an old message may have been written before the known comments.
  for (const { timestamp, reviewer, message } of (row.comments ?? []).toReversed()) {
    const who = reviewer?.username ?? reviewer?.name;
    if (who === undefined || message === undefined || !message.startsWith(own)) continue;
    const written = /\n\n\(\d+ comments?\)/.test(message) ? waiting.get(who)?.pop() : undefined;
    const comment = `${own}\n\n${written ?? stripHeader(message)}`;
    events.unshift({ type: 'comment-added', change, patchSet, author: reviewer, comment, eventCreatedOn: timestamp });
  }
  return events;
}
