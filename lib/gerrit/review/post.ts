import type { CiError } from '../../errors/ci-error.ts';
import { changeClosed, noSuchPatchset, reviewFailed, reviewRefused } from '../../errors/gerrit.ts';
import type { Host, RunResult } from '../../ssh/types.ts';
import { gerritCommand } from '../command.ts';
import { queryChanges } from '../query.ts';
import { clipBytes, MAX_MESSAGE_BYTES } from '../report.ts';
import type { ReviewInput } from '../types.ts';

/** A review and the patchset it is for. */
export interface ReviewRequest {
  project: string;
  /** Change number. */
  change: number;
  patchset: number;
  review: ReviewInput;
}

/** Parts of a review without which Gerrit may accept it. */
export type DroppedPart = 'labels' | 'comments';

/** Outcome of posting a review. */
export interface ReviewOutcome {
  /** What Gerrit refused, so that the review was posted without it. */
  dropped: DroppedPart[];
  /** Sentences for the operator. */
  warnings: string[];
}

/** Sends one review. `--json` reads it from stdin, where nothing needs quoting; --project is always passed. */
export function sendReview(host: Host, request: ReviewRequest, signal: AbortSignal): Promise<RunResult> {
  const { project, change, patchset, review } = request;
  const argv = gerritCommand('review', '--project', project, '--json', `${change},${patchset}`);
  return host.run(argv, { stdin: JSON.stringify(review), signal });
}

const has = (part: object | undefined): boolean => part !== undefined && Object.keys(part).length > 0;

/** Returns which part of a review was refused; undefined if dropping a part cannot help. */
function refusedPart(answer: string, review: ReviewInput): DroppedPart | undefined {
  // An abandoned or merged change accepts a message, but not every vote.
  if (has(review.labels) && /change is closed|closed change/i.test(answer)) return 'labels';
  if (/change is closed|no such (?:change|patch ?set)|database error|internal server error/i.test(answer))
    return undefined;
  if (has(review.labels) && /\blabel\b.*(?:restricted|not permitted|not a configured|not a valid)/i.test(answer))
    return 'labels';
  if (has(review.comments)) return 'comments';
  return has(review.labels) ? 'labels' : undefined;
}

const firstLine = (answer: string): string => answer.trim().split('\n', 1)[0] ?? '';

/** Returns the error for a refusal that dropping parts cannot fix. Some take a query to tell. */
async function refusal(host: Host, request: ReviewRequest, answer: string, signal: AbortSignal): Promise<CiError> {
  const what = { label: host.label, ...request };
  if (/change is closed/i.test(answer)) return changeClosed(what, answer);
  if (/no such (?:change|patch ?set)/i.test(answer)) return noSuchPatchset(what, answer);
  if (/database error/i.test(answer)) {
    // Gerrit says this both for a change that does not exist and for real database errors.
    const rows = await queryChanges(host, [], `change:${request.change}`, { signal, rows: 1 });
    return rows.length === 0 ? noSuchPatchset(what, answer) : reviewFailed(what, answer);
  }
  return /internal server error/i.test(answer) || answer.trim() === ''
    ? reviewFailed(what, answer)
    : reviewRefused(what, answer);
}

/**
 * Posts a review. If Gerrit refuses its labels or inline comments it refuses all of it, so it is posted again without
 * them, which the outcome says: a report is never lost because of a vote.
 *
 * @throws CiError: `gerrit/change-closed`, `gerrit/no-such-patchset` and `gerrit/review-refused` are final; after
 * others it may be posted again, unless the message did arrive
 */
export async function postReview(host: Host, request: ReviewRequest, signal: AbortSignal): Promise<ReviewOutcome> {
  const outcome: ReviewOutcome = { dropped: [], warnings: [] };
  const review = { ...request.review };
  if (review.message !== undefined) review.message = clipBytes(review.message, MAX_MESSAGE_BYTES);
  for (;;) {
    const result = await sendReview(host, { ...request, review }, signal);
    if (result.code === 0) return outcome;
    const answer = `${result.stderr}\n${result.stdout}`;
    const part = result.code === undefined ? undefined : refusedPart(answer, review);
    if (part === undefined) throw await refusal(host, request, answer, signal);
    delete review[part];
    outcome.dropped.push(part);
    const name = part === 'labels' ? 'vote' : 'inline comments';
    outcome.warnings.push(`${host.label}: posted without its ${name}, which Gerrit refused: ${firstLine(answer)}`);
  }
}

/**
 * Returns the labels of a review that the account's votes on the change lack: Gerrit silently drops a label that the
 * project does not have. Undefined if it is too late to tell, because there is a newer patchset.
 */
export async function missingVotes(
  host: Host,
  request: ReviewRequest,
  user: string,
  signal: AbortSignal,
): Promise<string[] | undefined> {
  const [row] = await queryChanges(host, ['--current-patch-set'], `change:${request.change}`, { signal, rows: 1 });
  const current = row?.currentPatchSet;
  if (current?.number !== request.patchset) return undefined;
  const ours = new Set(current.approvals?.filter(({ by }) => by?.username === user).map(({ type }) => type));
  return Object.entries(request.review.labels ?? {})
    .filter(([label, value]) => value !== 0 && !ours.has(label))
    .map(([label]) => label);
}
