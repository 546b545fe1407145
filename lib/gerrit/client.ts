import { commandFailed } from '../errors/gerrit.ts';
import type { Link } from '../ssh/link-pool.ts';
import { gerritCommand } from './command.ts';
import { projectsCondition, queryChanges } from './query.ts';
import { clipBytes, MAX_MESSAGE } from './report.ts';
import { mayStream, mayVote } from './review/permissions.ts';
import { missingVotes, postReview, type ReviewOutcome, type ReviewRequest } from './review/post.ts';
import { patchsetEvent } from './stream/row-event.ts';
import type { GerritEvent } from './types.ts';

export type { ReviewInput } from './types.ts';

/** How many of the newest open changes are looked at for one that fits. */
const NEWEST = 25;

/** What a connection test found out. */
export interface GerritCheck {
  /** As the server tells it: `3.13.5`. */
  version: string;
  /** Username of the account. */
  account: string;
  mayStream: boolean;
  /** Missing where no label was asked about, or there is no change to try it on. */
  mayVote?: boolean;
}

/** What is asked of a Gerrit server, over the shared connection. Each call waits for the connection and has a limit. */
export class GerritClient {
  readonly #link: Link;
  /** Labels by project that a vote of ours was seen on: `project\nlabel`. */
  readonly #votesSeen = new Set<string>();

  constructor(link: Link) {
    this.#link = link;
  }

  /** The server's version, such as `3.13.5`; `(dev)` for one that was not built from a release. */
  async version(signal: AbortSignal): Promise<string> {
    const host = await this.#link.host(signal);
    const { code, stdout, stderr } = await host.run(gerritCommand('version'), { signal });
    if (code !== 0) throw commandFailed(host.label, 'version', stderr || stdout);
    return stdout.trim().replace(/^gerrit version /, '');
  }

  /** Tries the account: who it is, whether it may stream, and whether it may give the label. It leaves no trace. */
  async check(signal: AbortSignal, about: { project?: string; label?: string } = {}): Promise<GerritCheck> {
    const version = await this.version(signal);
    const host = await this.#link.host(signal);
    const found: GerritCheck = { version, account: this.#link.target.user, mayStream: await mayStream(host, signal) };
    const vote = about.label ? await mayVote(host, { project: about.project, label: about.label }, signal) : undefined;
    return vote === undefined ? found : { ...found, mayVote: vote };
  }

  /**
   * The open change that moved last, as the event that its newest patchset came with; undefined where there is none.
   *
   * @param projects exact names; none: all projects, of which the newest 25 changes are looked at
   * @param fits picks among them
   */
  async newestOpenChange(
    projects: readonly string[],
    signal: AbortSignal,
    fits: (event: GerritEvent) => boolean = () => true,
  ): Promise<GerritEvent | undefined> {
    const host = await this.#link.host(signal);
    const query = ['status:open', projectsCondition(projects)].filter((part) => part !== undefined).join(' ');
    const rows = await queryChanges(host, ['--current-patch-set'], query, { signal, rows: NEWEST });
    return rows.map(patchsetEvent).find((event) => event !== undefined && fits(event));
  }

  /**
   * Posts a review; see postReview in review.ts for what may be dropped and what is thrown. The first vote on each
   * (project, label) is looked for on the change afterwards, since a label that the project lacks is lost in silence.
   */
  async postReview(request: ReviewRequest, signal: AbortSignal): Promise<ReviewOutcome> {
    const host = await this.#link.host(signal);
    const outcome = await postReview(host, request, signal);
    const labels = outcome.dropped.includes('labels') ? {} : (request.review.labels ?? {});
    const unsure = Object.entries(labels).filter(
      ([label, value]) => value !== 0 && !this.#votesSeen.has(`${request.project}\n${label}`),
    );
    if (unsure.length === 0) return outcome;
    // The review is posted: a failure to look must not make it look unposted.
    const missing = await missingVotes(host, request, this.#link.target.user, signal).catch(() => undefined);
    if (missing === undefined) return outcome;
    for (const [label] of unsure) {
      if (!missing.includes(label)) this.#votesSeen.add(`${request.project}\n${label}`);
      else
        outcome.warnings.push(
          `${host.label}: the vote ${label} is not on change ${request.change}. Project ${request.project} has no label of that name; add it there or change the label in the settings.`,
        );
    }
    return outcome;
  }

  /**
   * Whether the account has posted a message with that text on the change: asked after a post whose answer was lost,
   * before it is sent again.
   *
   * @param since milliseconds since the epoch: older ones do not count, since a recheck's report may read the same
   */
  async hasMessage(
    { change, since = 0 }: { change: number; since?: number },
    text: string,
    signal: AbortSignal,
  ): Promise<boolean> {
    const host = await this.#link.host(signal);
    const [row] = await queryChanges(host, ['--comments'], `change:${change}`, { signal, rows: 1 });
    const user = this.#link.target.user;
    const wanted = clipBytes(text, MAX_MESSAGE).trim();
    return (row?.comments ?? []).some(
      ({ reviewer, message, timestamp }) =>
        reviewer?.username === user &&
        message?.includes(wanted) === true &&
        (timestamp === undefined || timestamp * 1000 >= since),
    );
  }
}
