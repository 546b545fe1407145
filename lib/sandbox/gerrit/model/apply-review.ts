import { LABEL_NAMES, labelRange, mayVote } from './accounts.ts';
import { accountJson, patchsetEvent } from './events.ts';
import { Refusal } from './refusal.ts';
import { logEntry, type Site } from './site.ts';
import type { Account, Change, FileComment, Patchset, ReviewInput, Vote } from './types.ts';

/** File of a comment on a whole patchset. */
export const PATCHSET_LEVEL = '/PATCHSET_LEVEL';
/** Generated files, which every patchset has. */
const MAGIC_FILES = new Set([PATCHSET_LEVEL, '/COMMIT_MSG', '/MERGE_LIST']);
/** Characters of one comment (change.commentSizeLimit). */
const MAX_COMMENT_CHARS = 16384;

/** Returns what Gerrit says after `error: ` about a label that blocks a review. */
const refused = (text: string): Refusal => new Refusal(text);

/**
 * Posts a review: message, votes and comments, all or nothing. An empty review changes nothing.
 *
 * @throws Refusal with Gerrit's message, without the `error:` prefix
 */
export async function applyReview(
  site: Site,
  account: Account,
  target: { change: number; patchset: number },
  input: ReviewInput,
): Promise<void> {
  const change = site.draft(target.change);
  const patchset = change.patchsets.find((one) => one.number === target.patchset)!;
  const wanted = Object.entries(input.labels ?? {}).filter(([label, value]) => {
    const range = labelRange(label);
    return range && value >= range.min && value <= range.max; // others are silently dropped
  });
  for (const [label, value] of wanted) {
    if (!mayVote(account, label, value)) throw refused(`Applying label "${label}": ${value} is restricted`);
  }
  const comments = await readComments(site, change, patchset, input);
  const message = (input.message ?? '').trim();
  for (const text of [message, ...comments.map((one) => one.message)]) {
    if (text.length > MAX_COMMENT_CHARS) {
      const why = `Comment size exceeds limit (${text.length} > ${MAX_COMMENT_CHARS})`;
      throw refused(`One or more comments were rejected in validation: ${why}`);
    }
  }

  const before = new Map(LABEL_NAMES.map((label) => [label, voteOf(patchset, account, label)]));
  const changed = wanted.filter(([label, value]) => before.get(label) !== value);
  checkClosed(change, changed, before);
  for (const [label, value] of changed) setVote(patchset, { label, value, by: account.username, date: Date.now() });
  if (!message && comments.length === 0 && changed.length === 0) return;

  const votes = changed.map(([label, value]) =>
    value === 0 ? `-${label}` : `${label}${value > 0 ? '+' : ''}${value}`,
  );
  const count = comments.length === 0 ? '' : `\n\n(${comments.length} comment${comments.length === 1 ? '' : 's'})`;
  const head = [`Patch Set ${patchset.number}:`, ...votes.sort(byLabel)].join(' ');
  const text = `${head}${count}${message && `\n\n${message}`}`;
  change.messages.push({ ...logEntry(account, patchset, text, input.tag), ...(comments.length > 0 && { comments }) });

  // Since Gerrit 3.3, a comment on the whole patchset replaces the message in the event, without votes before it.
  const whole = comments.find((one) => one.file === PATCHSET_LEVEL)?.message;
  const approvals = LABEL_NAMES.map((label) => ({
    type: label,
    description: label,
    value: String(voteOf(patchset, account, label)),
    ...(changed.some(([one]) => one === label) && { oldValue: String(before.get(label)) }),
  }));
  const own = {
    author: accountJson(account.username),
    ...((change.status === 'NEW' || input.labels) && { approvals }),
    comment: whole ? `Patch Set ${patchset.number}:\n\n${whole}` : text,
  };
  await site.commit(change, account.username, [], patchsetEvent('comment-added', own, change, patchset, site.httpUrl));
}

/** Returns votes as in a message, by label: `Code-Review-1 Verified+1`, `-Verified`. */
const byLabel = (a: string, b: string): number => (a.replace(/^-/, '') < b.replace(/^-/, '') ? -1 : 1);

async function readComments(
  site: Site,
  change: Change,
  patchset: Patchset,
  input: ReviewInput,
): Promise<FileComment[]> {
  const comments: FileComment[] = [];
  for (const [file, list] of Object.entries(input.comments ?? {})) {
    if (!MAGIC_FILES.has(file) && (await site.repository.file(patchset.revision, file)) === undefined) {
      throw refused(`file ${file} not found in revision ${change.number},${patchset.number}`);
    }
    for (const { line, message } of list) {
      const text = (message ?? '').trim();
      if (text) comments.push({ file, line: line ?? 0, message: text });
    }
  }
  return comments;
}

const voteOf = (patchset: Patchset, account: Account, label: string): number =>
  patchset.votes.find((one) => one.label === label && one.by === account.username)?.value ?? 0;

function setVote(patchset: Patchset, vote: Vote): void {
  patchset.votes = patchset.votes.filter((one) => one.label !== vote.label || one.by !== vote.by);
  if (vote.value !== 0) patchset.votes.push(vote);
}

/** Checks votes on a closed change: refused on an abandoned one, and on a merged one they may only increase. */
function checkClosed(change: Change, changed: readonly [string, number][], before: Map<string, number>): void {
  if (changed.length > 0 && change.status === 'ABANDONED') throw refused('change is closed');
  if (change.status !== 'MERGED') return;
  const reduced = changed.filter(([label, value]) => value < before.get(label)!).map(([label]) => label);
  if (reduced.length > 0) throw refused(`Cannot reduce vote on labels for closed change: ${reduced.sort().join(', ')}`);
}
