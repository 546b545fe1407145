import { noServer, serverDown, serverMissing } from '../../errors/build-report.ts';
import { type CiError, messageOf, toCiError } from '../../errors/ci-error.ts';
import type { GerritClient } from '../../gerrit/client.ts';
import type { ReviewInput } from '../../gerrit/types.ts';
import type { LinkHealth } from '../../ssh/types.ts';
import type { Outbox } from '../../store/outbox.ts';
import type { ReportState } from '../types.ts';

/** One review to be posted. */
export interface ReportEntry {
  /** Id of the buildset. */
  set: string;
  /** Key of the gerrit-review node. */
  node: string;
  /** Id of the gerrit-server. */
  server: string;
  /** `1234,2`. */
  label: string;
  project: string;
  change: number;
  patchset: number;
  review: ReviewInput;
  /** The vote as text, such as `Verified +1`; missing if there is none. */
  vote?: string;
  /** Page of a build, for the node's button. */
  url?: string;
  /** When it was composed, in milliseconds since the epoch. */
  at: number;
}

/** A Gerrit server to post reports to. */
export interface ReportServer {
  label: string;
  /** The CI's name in reports on this server. */
  ciName: string;
  client: GerritClient;
  link: { readonly health: LinkHealth };
}

/**
 * Reviews posted at once over one connection: two being executed and two in transit. Gerrit runs the commands of all its
 * service users in two threads (sshd.batchThreads); more would only wait in its queue.
 */
export const MAX_CONCURRENT_POST_COUNT = 4;
/** Timeout of one try to post a report. */
const POST_TIMEOUT_MS = 81_000;
/** Bounds of the delay between two tries, and when to give up. */
const MIN_RETRY_DELAY_MS = 1_000;
const MAX_RETRY_DELAY_MS = 60_000;
const GIVE_UP_AFTER_MS = 3 * 24 * 3600_000;
/** Delay before checking again whether a server is connected. */
const SERVER_DOWN_RETRY_MS = 1_000;
/** Interval at which the outbox is checked while a report waits in it. */
const POLL_MS = 500;
/** How far Gerrit's clock may be behind ours. */
const MAX_CLOCK_SKEW_MS = 5 * 60_000;

/** Posts the reports in the outbox to Gerrit, each once, retrying as long as necessary. */
export class Poster {
  readonly #outbox: Outbox<ReportEntry>;
  readonly #server: (id: string) => ReportServer | undefined;
  readonly #tell: (entry: ReportEntry, state: ReportState) => void;
  readonly #closed = new AbortController();
  #active = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Whether `retryNow` was called while all posters were busy or about to find the outbox empty. */
  #again = false;
  /** Tries per report that never reached Gerrit. */
  readonly #unsent = new Map<string, number>();

  /** @param tell called with the report's state after each try */
  constructor(
    outbox: Outbox<ReportEntry>,
    server: (id: string) => ReportServer | undefined,
    tell: (entry: ReportEntry, state: ReportState) => void,
  ) {
    this.#outbox = outbox;
    this.#server = server;
    this.#tell = tell;
  }

  /** Queues a report to be posted; a key that was queued before is ignored. */
  put(key: string, report: ReportEntry): void {
    this.#outbox
      .put({ key, report })
      .then(() => this.retryNow())
      .catch(warn);
  }

  /** Posts reports that are due now, as when a server is connected again. */
  retryNow(): void {
    this.#again = true;
    while (this.#active < MAX_CONCURRENT_POST_COUNT && !this.#closed.signal.aborted) {
      this.#active += 1;
      this.#work().catch(warn);
    }
  }

  /** Stops posting. */
  close(): void {
    this.#closed.abort();
    this.#stopPolling();
  }

  #stopPolling(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  async #work(): Promise<void> {
    try {
      for (;;) {
        this.#again = false;
        const claim = await this.#outbox.claim();
        if (!claim || this.#closed.signal.aborted) return;
        await this.#post(claim.key, claim.report, claim.tries);
      }
    } finally {
      this.#active -= 1;
      if (this.#again) this.retryNow();
    }
  }

  async #post(key: string, report: ReportEntry, tries: number): Promise<void> {
    const { label } = report;
    let state: ReportState;
    try {
      state = await this.#try(key, report, tries);
      await this.#outbox.done(key);
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      state = await this.#retryOrFail(key, report, tries, toCiError(error, label));
    }
    if (state.state !== 'waiting') {
      this.#unsent.delete(key);
      if ((await this.#outbox.pending()) === 0) this.#stopPolling();
    }
    this.#tell(report, state);
  }

  async #try(key: string, report: ReportEntry, tries: number): Promise<ReportState> {
    const { review, vote, url, at } = report;
    if (report.server === '') throw noServer();
    const unsent = this.#unsent.get(key) ?? 0;
    // Counted first, and undone below once Gerrit can be asked.
    this.#unsent.set(key, unsent + 1);
    const server = this.#server(report.server);
    if (!server) throw serverMissing(report.server);
    const { client, link } = server;
    if (link.health.state !== 'up') throw serverDown(server.label, link.health.error?.message ?? '');
    this.#unsent.set(key, unsent);
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(POST_TIMEOUT_MS)]);
    // If the answer to an earlier try was lost, the review may have been posted: check first.
    const mayBePosted = tries - unsent > 1;
    const message = review.message ?? '';
    const posted =
      mayBePosted &&
      (await client.hasMessage({ change: report.change, since: at - MAX_CLOCK_SKEW_MS }, message, signal));
    const { warnings } = posted ? { warnings: [] } : await client.postReview({ ...report, review }, signal);
    return { state: 'posted', vote, message, warnings, url };
  }

  /** Schedules another try of a report, or gives it up. */
  async #retryOrFail(key: string, report: ReportEntry, tries: number, fault: CiError): Promise<ReportState> {
    if (!fault.retryable || Date.now() - report.at > GIVE_UP_AFTER_MS) {
      await this.#outbox.done(key);
      return { state: 'failed', message: messageOf(fault) };
    }
    const delay = fault.facts.awaitsConnection
      ? SERVER_DOWN_RETRY_MS
      : Math.min(MAX_RETRY_DELAY_MS, MIN_RETRY_DELAY_MS * 1.5 ** Math.min(tries, 20));
    await this.#outbox.retry(key, delay);
    // An interval, because a single timer that fires slightly before the report is due would miss it.
    this.#timer ??= setInterval(() => this.retryNow(), POLL_MS).unref();
    return { state: 'waiting', pending: await this.#outbox.pending(), message: fault.message };
  }
}

const warn = (error: unknown): void => process.emitWarning(error as Error);
