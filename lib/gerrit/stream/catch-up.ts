import type { Host } from '../../ssh/types.ts';
import { commentText } from '../comment.ts';
import { projectsCondition, type QueryRow, queryChanges } from '../query.ts';
import type { GerritEvent } from '../types.ts';
import { commentEvents, patchsetEvent } from './row-event.ts';

/** Changes read per catch-up query: OpenDev asks CIs for cheap queries. */
const MAX_ROW_COUNT = 100;
/** Events remembered as seen. */
const MAX_SEEN_COUNT = 5_000;
/** Seconds by which times may differ: those of a message and of its event are up to a second or two apart. */
const TIME_SLACK_SECONDS = 10;
/** Seconds added to the age in a query, because the server's clock may differ from ours. */
const AGE_SLACK_SECONDS = 60;

const PATCHSET = 'patchset-created';
const COMMENT = 'comment-added';

/**
 * Recovers events that a stream missed while it was down: it remembers which patchsets and comments arrived, queries
 * the server for open changes that were updated since, and returns the missed events. If in doubt it returns an event
 * twice; the trigger's key identifies the duplicate.
 */
export class CatchUp {
  /** Time by the server's clock, in seconds, up to which nothing is missing; undefined before the first event. */
  #cursor: number | undefined;
  /** Time by this machine's clock, in milliseconds, at which the cursor was right. */
  #cursorAt: number;
  /** Whether there is a gap: the cursor stays before it until the gap is filled. */
  #gap = false;
  /** Times in seconds of seen events by their identity, in order of arrival so that the oldest can be dropped. */
  readonly #seen = new Map<string, number>();
  /** Which of them `missed` returned, and so must not be passed on again when they arrive late. */
  readonly #told = new Set<string>();

  constructor(now = Date.now()) {
    this.#cursorAt = now;
  }

  /** Records an event of the stream. @returns whether it is new: false if `missed` returned it before */
  note(event: GerritEvent, now = Date.now()): boolean {
    const time = event.eventCreatedOn;
    if (!this.#gap && time !== undefined && time >= (this.#cursor ?? 0)) {
      this.#cursor = time;
      this.#cursorAt = now;
    }
    const id = identity(event);
    if (id === undefined) return true;
    const told = this.#told.has(id) && this.#wasSeen(event, id);
    if (told) this.#told.delete(id);
    this.#remember(id, time);
    return !told;
  }

  /** Records that the stream has been working until now: a probe was answered. */
  alive(now = Date.now()): void {
    if (this.#gap) return;
    if (this.#cursor !== undefined) this.#cursor += Math.max(0, (now - this.#cursorAt) / 1000);
    this.#cursorAt = now;
  }

  /** Records that events were lost, or may have been: a gap begins. */
  lost(): void {
    this.#gap = true;
  }

  /**
   * Queries the server and returns the missed events of the given types, oldest first. They count as seen.
   *
   * @param projects exact names; `*` stands for all projects
   */
  async missed(
    host: Host,
    { projects, types, signal }: { projects: readonly string[]; types: readonly string[]; signal: AbortSignal },
    now = Date.now(),
  ): Promise<GerritEvent[]> {
    const condition = projects.includes('*') ? '' : projectsCondition(projects);
    if (condition === undefined || !(types.includes(PATCHSET) || types.includes(COMMENT))) {
      this.#filled(now);
      return [];
    }
    const since = (this.#cursor ?? Math.floor(this.#cursorAt / 1000) - AGE_SLACK_SECONDS) - TIME_SLACK_SECONDS;
    const age = Math.max(0, Math.ceil((now - this.#cursorAt) / 1000)) + AGE_SLACK_SECONDS;
    const query = `status:open ${condition} -age:${age}s`;
    const rows = await queryChanges(host, ['--current-patch-set', '--comments'], query, {
      signal,
      rows: MAX_ROW_COUNT,
    });
    const events = rows
      .flatMap((row) => this.#eventsOf(row, since))
      .filter((event) => types.includes(event.type) && !this.#wasSeen(event))
      .sort((a, b) => (a.eventCreatedOn ?? 0) - (b.eventCreatedOn ?? 0));
    for (const event of events) {
      const id = identity(event)!;
      this.#remember(id, event.eventCreatedOn);
      this.#told.add(id);
    }
    this.#filled(now);
    return events;
  }

  #filled(now: number): void {
    this.#gap = false;
    this.alive(now);
  }

  #remember(id: string, time = 0): void {
    this.#seen.delete(id);
    this.#seen.set(id, time);
    if (this.#seen.size <= MAX_SEEN_COUNT) return;
    const oldest = this.#seen.keys().next().value!;
    this.#seen.delete(oldest);
    this.#told.delete(oldest);
  }

  #wasSeen(event: GerritEvent, id = identity(event)): boolean {
    const time = id === undefined ? undefined : this.#seen.get(id);
    if (time === undefined) return false;
    return event.type === PATCHSET || Math.abs(time - (event.eventCreatedOn ?? 0)) <= TIME_SLACK_SECONDS;
  }

  #eventsOf(row: QueryRow, since: number): GerritEvent[] {
    const uploaded = patchsetEvent(row);
    if (uploaded === undefined) return [];
    const events = commentEvents(row, uploaded).filter((event) => (event.eventCreatedOn ?? 0) >= since);
    return (uploaded.eventCreatedOn ?? 0) >= since ? [uploaded, ...events] : events;
  }
}

/** Returns what identifies an event among those of its change; its time is compared separately. */
function identity(event: GerritEvent): string | undefined {
  const { change, patchSet } = event;
  if (change?.number === undefined || patchSet?.number === undefined) return undefined;
  const place = `${change.number},${patchSet.number}`;
  if (event.type === PATCHSET) return place;
  if (event.type !== COMMENT) return undefined;
  const text = commentText(event);
  return `${place} ${event.author?.username ?? event.author?.name} ${text.length} ${text.slice(0, 200)}`;
}
