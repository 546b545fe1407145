import { messageOf } from '../../errors/ci-error.ts';
import { Outbox } from '../../store/outbox.ts';
import type { Build } from '../build.ts';
import type { BuildSet } from '../buildset.ts';
import type { Flow, Message, ReportState } from '../types.ts';
import { type ComposedReview, composeReview } from './compose.ts';
import { Poster, type ReportEntry, type ReportServer } from './poster.ts';

/**
 * Messages that are kept until their report is posted. Beyond the limit the oldest is dropped, so that it is not sent on
 * from the node; its report is still posted.
 */
const MAX_PENDING_MESSAGES_COUNT = 1_000;

/** A message to send on from the gerrit-review node once its report is done. */
interface Pending {
  set: BuildSet<Build>;
  build: Build;
  message: Message;
  review: ReportEntry['review'] | undefined;
}

/** Options of a reporter. */
export interface ReporterOptions {
  flow: Flow;
  /** Returns the Gerrit server with that id; undefined if it is not in the flow. */
  server(id: string): ReportServer | undefined;
  /** Sends a build's message from a node's first output. */
  send(build: Build, node: string, message: Message): void;
}

/**
 * Owns the reports of buildsets: composes each with the settings of its gerrit-review node, posts it once, publishes its
 * state, and sends the node's message on. Reports outlive the nodes, which come and go with deploys.
 */
export class Reporter {
  readonly #options: ReporterOptions;
  readonly #poster: Poster;
  readonly #pending = new Map<string, Pending>();
  /** Build page of each node's last report, by the node's key. */
  readonly #lastUrls = new Map<string, string>();

  constructor(options: ReporterOptions) {
    this.#options = options;
    this.#poster = new Poster(new Outbox<ReportEntry>(), options.server, (entry, state) => {
      this.#tell(entry.set, entry.node, entry.label, state);
    });
  }

  /** Returns the URL of the build page in a gerrit-review node's last report. */
  lastUrl(node: string): string | undefined {
    return this.#lastUrls.get(node);
  }

  /**
   * Reports a buildset whose builds have all reached a gerrit-review node.
   *
   * @param builds the builds to report; none if all of them were superseded
   * @returns false if the node is not in the flow
   */
  report(set: BuildSet<Build>, node: string, builds: readonly Build[]): boolean {
    const { flow, server } = this.#options;
    const settings = flow.reviewSettings(node);
    if (!settings) return false;
    const arrived = set.arrived.get(node)!;
    const build = set.builds.findLast(({ id }) => arrived.builds.has(id))!;
    const ciName = server(settings.server ?? set.request.change.server)?.ciName ?? 'ci';
    let entry: ComposedReview | undefined;
    let fault: string | undefined;
    try {
      entry = composeReview(set, builds, settings, ciName);
    } catch (error) {
      // Shown on the node: the watchdog's timer calls this, and nothing catches what it throws.
      fault = messageOf(error);
    }
    this.#remember(`${set.id} ${node}`, { set, build, message: arrived.message, review: entry?.review });
    const tell = (state: ReportState) => this.#tell(set.id, node, build.label, state);
    if (entry?.trouble) tell({ state: 'badTemplate', message: entry.trouble });
    if (fault !== undefined) tell({ state: 'failed', message: fault });
    else if (builds.length === 0) tell({ state: 'nothing', why: 'superseded' });
    else if (!entry) tell({ state: 'nothing', why: 'noPatchset' });
    else if (settings.silent)
      tell({ state: 'silent', vote: entry.vote, message: entry.review.message ?? '', url: entry.url });
    else this.#poster.put(`${set.id} ${node}`, entry);
    return true;
  }

  /** Posts waiting reports now, as when a server is connected again. */
  retryNow(): void {
    this.#poster.retryNow();
  }

  /** Stops posting and forgets all reports. */
  close(): void {
    this.#poster.close();
    this.#pending.clear();
  }

  #remember(key: string, pending: Pending): void {
    this.#pending.set(key, pending);
    if (this.#pending.size <= MAX_PENDING_MESSAGES_COUNT) return;
    const [oldest, { set }] = this.#pending.entries().next().value!;
    this.#pending.delete(oldest);
    set.reporting.delete(oldest.slice(set.id.length + 1));
  }

  #tell(set: string, node: string, label: string, state: ReportState): void {
    if ('url' in state && state.url) this.#lastUrls.set(node, state.url);
    this.#options.flow.emit({ kind: 'report', label, node, set, state });
    if (state.state === 'waiting' || state.state === 'badTemplate') return;
    const key = `${set} ${node}`;
    const pending = this.#pending.get(key);
    if (!pending) return;
    this.#pending.delete(key);
    const { build, message, review } = pending;
    const payload = {
      message: review?.message,
      labels: review?.labels ?? {},
      posted: state.state === 'posted',
      state: state.state,
    };
    this.#options.send(build, node, { ...message, payload });
    pending.set.reporting.delete(node);
  }
}
