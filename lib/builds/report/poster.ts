import { noServer, serverDown, serverMissing } from '../../errors/build-report.ts';
import { type CiError, messageOf, toCiError } from '../../errors/ci-error.ts';
import type { GerritClient } from '../../gerrit/client.ts';
import type { ReviewInput } from '../../gerrit/types.ts';
import type { LinkHealth } from '../../ssh/types.ts';
import type { Outbox } from '../../store/types.ts';
import type { Flow, ReportState } from '../types.ts';

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
interface Reachable {
  label: string;
  client: GerritClient;
  link: { readonly health: LinkHealth };
}

/**
 * Reviews posted at once over one connection: two at work and two on their way. Gerrit gives the commands of all its
 * service users together two threads (sshd.batchThreads); more would only stand in its queue.
 */
export const PARALLEL = 4;
/** Seconds that posting one may take before another try. */
const LEASE = 90;
/** Milliseconds between two tries, and when it is given up. */
const FIRST_RETRY = 1_000;
const LAST_RETRY = 60_000;
const GIVE_UP = 3 * 24 * 3600_000;
/** Milliseconds until it is looked again whether a server is back. */
const DOWN_RETRY = 1_000;
/** Milliseconds between two looks into the outbox while a report waits in it. */
const LOOK = 500;
/** Milliseconds by which Gerrit's clock may be behind ours. */
const SKEW = 5 * 60_000;

/** Sends what is in the outbox to Gerrit, each report once, for as long as it takes. */
export class Poster {
  readonly #outbox: Outbox<ReportEntry>;
  readonly #flow: Flow;
  readonly #server: (server: string) => Reachable | undefined;
  readonly #closed = new AbortController();
  #active = 0;
  #timer: NodeJS.Timeout | undefined;
  /** Whether it was kicked while all workers were busy, or just about to find the box empty. */
  #again = false;
  /** How many tries of a report never got as far as Gerrit. */
  readonly #unsent = new Map<string, number>();

  constructor(outbox: Outbox<ReportEntry>, flow: Flow, server: (server: string) => Reachable | undefined) {
    this.#outbox = outbox;
    this.#flow = flow;
    this.#server = server;
  }

  async put(key: string, report: ReportEntry): Promise<void> {
    await this.#outbox.put({ key, report });
    this.kick();
  }

  /** Looks into the outbox, as when a server has come back. */
  kick(): void {
    this.#again = true;
    while (this.#active < PARALLEL && !this.#closed.signal.aborted) {
      this.#active += 1;
      this.#work().catch((error: unknown) => process.emitWarning(error as Error));
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
        const claim = await this.#outbox.claim('here', LEASE);
        if (!claim || this.#closed.signal.aborted) return;
        await this.#post(claim.key, claim.report, claim.tries);
      }
    } finally {
      this.#active -= 1;
      if (this.#again) this.kick();
    }
  }

  async #post(key: string, report: ReportEntry, tries: number): Promise<void> {
    const { set, node, label } = report;
    let state: ReportState;
    try {
      state = await this.#try(key, report, tries);
      await this.#outbox.ack(key);
    } catch (error) {
      if (this.#closed.signal.aborted) return;
      state = await this.#putOff(key, report, tries, toCiError(error, label));
    }
    if (state.state !== 'waiting') {
      this.#unsent.delete(key);
      if ((await this.#outbox.pending()) === 0) this.#rest();
    }
    this.#flow.observe({ kind: 'report', label, node, set, state });
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
    const signal = AbortSignal.any([this.#closed.signal, AbortSignal.timeout(LEASE * 900)]);
    // A try whose answer was lost may have been posted: look before it is sent again.
    const asked = tries - unsent > 1;
    const message = review.message ?? '';
    const posted = asked && (await client.hasMessage({ change: report.change, since: at - SKEW }, message, signal));
    const { warnings } = posted ? { warnings: [] } : await client.postReview({ ...report, review }, signal);
    return { state: 'posted', vote, message, warnings, url };
  }

  /** Puts a report back to be tried again, or gives it up. */
  async #putOff(key: string, report: ReportEntry, tries: number, fault: CiError): Promise<ReportState> {
    if (!fault.retryable || Date.now() - report.at > GIVE_UP) {
      await this.#outbox.ack(key);
      return { state: 'failed', message: messageOf(fault) };
    }
    const delay = fault.facts.awaitsConnection
      ? DOWN_RETRY
      : Math.min(LAST_RETRY, FIRST_RETRY * 1.5 ** Math.min(tries, 20));
    await this.#outbox.nack(key, delay);
    // One that looks again and again: a single timer that fires a moment before the report is due would lose it.
    this.#timer ??= setInterval(() => this.kick(), LOOK).unref();
    return { state: 'waiting', pending: await this.#outbox.pending(), message: fault.message };
  }
}
