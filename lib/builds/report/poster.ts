import { noServer, serverDown, serverMissing } from '../../errors/build.ts';
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
  /** The vote in words, such as `Verified +1`; missing where none is given. */
  vote?: string;
  /** Page of a build, for the node's button. */
  url?: string;
  /** When it was written: milliseconds since the epoch. */
  at: number;
}

/** A Gerrit server as reports reach it. */
export interface ReportServer {
  label: string;
  /** What the CI calls itself there. */
  ciName: string;
  client: GerritClient;
  link: { readonly health: LinkHealth };
}

/**
 * Reviews posted at once over one connection: two at work and two on their way. Gerrit gives the commands of all its
 * service users together two threads (sshd.batchThreads); more would only stand in its queue.
 */
export const PARALLEL = 4;
/** Milliseconds that posting one may take before another try. */
const POST_TIMEOUT_MS = 81_000;
/** Milliseconds between two tries, and when it is given up. */
const MIN_RETRY_DELAY_MS = 1_000;
const MAX_RETRY_DELAY_MS = 60_000;
const GIVE_UP_AFTER_MS = 3 * 24 * 3600_000;
/** Milliseconds until it is looked again whether a server is back. */
const SERVER_DOWN_RETRY_MS = 1_000;
/** Milliseconds between two looks into the outbox while a report waits in it. */
const POLL_MS = 500;
/** Milliseconds by which Gerrit's clock may be behind ours. */
const MAX_CLOCK_SKEW_MS = 5 * 60_000;

/** Sends what is in the outbox to Gerrit, each report once, for as long as it takes. */
export class Poster {
  readonly #outbox: Outbox<ReportEntry>;
  readonly #server: (id: string) => ReportServer | undefined;
  readonly #tell: (entry: ReportEntry, state: ReportState) => void;
  readonly #closed = new AbortController();
  #active = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Whether it was kicked while all workers were busy, or just about to find the box empty. */
  #again = false;
  /** How many tries of a report never got as far as Gerrit. */
  readonly #unsent = new Map<string, number>();

  /** @param tell told of each try how the report is doing */
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
      .then(() => this.kick())
      .catch(warn);
  }

  /** Looks into the outbox at once, as when a server is back. */
  kick(): void {
    this.#again = true;
    while (this.#active < PARALLEL && !this.#closed.signal.aborted) {
      this.#active += 1;
      this.#work().catch(warn);
    }
  }

  close(): void {
    this.#closed.abort();
    this.#rest();
  }

  #rest(): void {
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
      if (this.#again) this.kick();
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
      state = await this.#putOff(key, report, tries, toCiError(error, label));
    }
    if (state.state !== 'waiting') {
      this.#unsent.delete(key);
      if ((await this.#outbox.pending()) === 0) this.#rest();
    }
    this.#tell(report, state);
  }

  async #try(key: string, report: ReportEntry, tries: number): Promise<ReportState> {
    const { review, vote, url, at } = report;
    if (report.server === '') throw noServer();
    const unsent = this.#unsent.get(key) ?? 0;
    // Noted before, taken back where Gerrit was asked.
    this.#unsent.set(key, unsent + 1);
    const server = this.#server(report.server);
    if (!server) throw serverMissing(report.server);
    const { client, link } = server;
    if (link.health.state !== 'up') throw serverDown(server.label, link.health.error?.message ?? '');
    this.#unsent.set(key, unsent);
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(POST_TIMEOUT_MS)]);
    // A try whose answer was lost may have been posted: look before it is sent again.
    const asked = tries - unsent > 1;
    const message = review.message ?? '';
    const posted =
      asked && (await client.hasMessage({ change: report.change, since: at - MAX_CLOCK_SKEW_MS }, message, signal));
    const { warnings } = posted ? { warnings: [] } : await client.postReview({ ...report, review }, signal);
    return { state: 'posted', vote, message, warnings, url };
  }

  /** Puts a report back to be tried again, or gives it up. */
  async #putOff(key: string, report: ReportEntry, tries: number, fault: CiError): Promise<ReportState> {
    if (!fault.transient || Date.now() - report.at > GIVE_UP_AFTER_MS) {
      await this.#outbox.done(key);
      return { state: 'failed', message: messageOf(fault) };
    }
    const down = fault.code === 'build/server-down';
    const delay = down
      ? SERVER_DOWN_RETRY_MS
      : Math.min(MAX_RETRY_DELAY_MS, MIN_RETRY_DELAY_MS * 1.5 ** Math.min(tries, 20));
    await this.#outbox.retry(key, delay);
    // One that looks again and again: a single timer that fires a moment before the report is due would lose it.
    this.#timer ??= setInterval(() => this.kick(), POLL_MS).unref();
    return { state: 'waiting', pending: await this.#outbox.pending(), message: fault.message };
  }
}

const warn = (error: unknown): void => process.emitWarning(error as Error);
