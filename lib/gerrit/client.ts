import { commandFailed } from '../errors/gerrit.ts';
import type { Link } from '../ssh/link-pool.ts';
import { gerritCommand } from './command.ts';
import { projectsCondition, queryChanges } from './query.ts';
import { clipBytes, MAX_MESSAGE_BYTES } from './report.ts';
import { mayStream, mayVote } from './review/permissions.ts';
import { missingVotes, postReview, type ReviewOutcome, type ReviewRequest } from './review/post.ts';
import { patchsetEvent } from './stream/row-event.ts';
import type { GerritEvent } from './types.ts';

export type { ReviewInput } from './types.ts';

/** Newest open changes searched for one that matches. */
const MAX_NEWEST_CHANGE_COUNT = 25;

/** Result of a connection test. */
export interface GerritCheck {
  /** As the server reports it: `3.13.5`. */
  version: string;
  /** Username of the account. */
  account: string;
  mayStream: boolean;
  /** Missing if no label was given, or there is no change to try it on. */
  mayVote?: boolean;
}

/** Requests to a Gerrit server over the shared connection. Each waits for the connection and has a time limit. */
export class GerritClient {
  readonly #link: Link;
  /** Labels on which a vote of ours was seen: `project\nlabel`. */
  readonly #votesSeen = new Set<string>();

  constructor(link: Link) {
    this.#link = link;
  }

  /** Returns the server's version, such as `3.13.5`; `(dev)` if it was not built from a release. */
  async version(signal: AbortSignal): Promise<string> {
    const host = await this.#link.host(signal);
    const { code, stdout, stderr } = await host.run(gerritCommand('version'), { signal });
    if (code !== 0) throw commandFailed(host.label, 'version', stderr || stdout);
    return stdout.trim().replace(/^gerrit version /, '');
  }

  /** Tests the account: who it is, whether it may stream, and whether it may vote on the label. Leaves no trace. */
  async check(signal: AbortSignal, about: { project?: string; label?: string } = {}): Promise<GerritCheck> {
    const version = await this.version(signal);
    const host = await this.#link.host(signal);
    const found: GerritCheck = { version, account: this.#link.target.user, mayStream: await mayStream(host, signal) };
    const vote = about.label ? await mayVote(host, { project: about.project, label: about.label }, signal) : undefined;
    return vote === undefined ? found : { ...found, mayVote: vote };
  }

  /**
   * Returns the most recently updated open change as the patchset-created of its newest patchset; undefined if there is
   * none.
   *
   * @param projects exact names; empty for all projects, of which the newest 25 changes are searched
   * @param fits whether a change matches
   */
  async newestOpenChange(
    projects: readonly string[],
    signal: AbortSignal,
    fits: (event: GerritEvent) => boolean = () => true,
  ): Promise<GerritEvent | undefined> {
    const host = await this.#link.host(signal);
    const query = ['status:open', projectsCondition(projects)].filter((part) => part !== undefined).join(' ');
    const rows = await queryChanges(host, ['--current-patch-set'], query, { signal, rows: MAX_NEWEST_CHANGE_COUNT });
    return rows.map(patchsetEvent).find((event) => event !== undefined && fits(event));
  }

  /**
   * Posts a review; see postReview in review/post.ts for what may be dropped and what is thrown. The first vote on each
   * project and label is verified afterwards, because Gerrit silently drops a label that the project does not have.
   */
  async postReview(request: ReviewRequest, signal: AbortSignal): Promise<ReviewOutcome> {
    const host = await this.#link.host(signal);
    const outcome = await postReview(host, request, signal);
    const labels = outcome.dropped.includes('labels') ? {} : (request.review.labels ?? {});
    const unsure = Object.entries(labels).filter(
      ([label, value]) => value !== 0 && !this.#votesSeen.has(`${request.project}\n${label}`),
    );
    if (unsure.length === 0) return outcome;
    // The review is posted, so a failure to verify it must not look like a failure to post it.
    const missing = await missingVotes(host, request, this.#link.target.user, signal).catch(() => undefined);
    if (missing === undefined) return outcome;
    for (const [label] of unsure) {
      if (!missing.includes(label)) this.#votesSeen.add(`${request.project}\n${label}`);
      else
        outcome.warnings.push(
          `${host.label}: the vote on ${label} is missing from change ${request.change}. Project ${request.project} has no such label; add it there or change the label in the settings.`,
        );
    }
    return outcome;
  }

  /**
   * Finds out whether the account has posted a message with that text on the change, before a report whose answer was
   * lost is posted again.
   *
   * @param since milliseconds since the epoch; older ones do not count, because a recheck's report may be the same
   */
  async hasMessage(
    { change, since = 0 }: { change: number; since?: number },
    text: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const host = await this.#link.host(signal);
    const [row] = await queryChanges(host, ['--comments'], `change:${change}`, { signal, rows: 1 });
    const user = this.#link.target.user;
    const wanted = clipBytes(text, MAX_MESSAGE_BYTES).trim();
    return (row?.comments ?? []).some(
      ({ reviewer, message, timestamp }) =>
        reviewer?.username === user &&
        message?.includes(wanted) === true &&
        (timestamp === undefined || timestamp * 1000 >= since),
    );
  }
}
