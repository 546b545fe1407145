import type { Host } from '../../ssh/types.ts';
import { commentText } from '../comment.ts';
import { projectsCondition, type QueryRow, queryChanges } from '../query.ts';
import type { GerritEvent } from '../types.ts';
import { commentEvents, patchsetEvent } from './row-event.ts';

/** How many changes one catching up looks at: OpenDev asks CIs for cheap queries. */
const MAX_ROWS = 100;
/** How many events are remembered as seen. */
const MAX_SEEN = 5_000;
/** Seconds by which times may differ: a message's own time and its event's are up to a second or two apart. */
const SLACK = 10;
/** Seconds added to the age asked for, since the server's clock is not ours. */
const AGE_SLACK = 60;

const PATCHSET = 'patchset-created';
const COMMENT = 'comment-added';

/**
 * Gets back what an event stream lost while it was away: it remembers which patchsets and comments came, and asks the
 * server for the open changes that moved meanwhile. What it finds it gives as the events that were missed. A doubt is
 * settled towards telling twice; whoever starts builds drops the double by its trigger's key.
 */
export class CatchUp {
  /** Seconds by the server's clock up to which nothing is missing; undefined before the first event. */
  #cursor: number | undefined;
  /** When, by this machine's clock in milliseconds, the cursor was right. */
  #cursorAt: number;
  /** Whether there is a gap: the cursor stays before it until it is filled. */
  #gap = false;
  /** Times in seconds of seen events by their identity, in the order of arrival, so that the oldest are forgotten. */
  readonly #seen = new Map<string, number>();
  /** Which of them were told by `missed`, and so must not be told again when they come late. */
  readonly #told = new Set<string>();

  constructor(now = Date.now()) {
    this.#cursorAt = now;
  }

  /** An event has come by the stream. Gives whether it is news: false for one that was told as missed before. */
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

  /** The stream is known to have been good until now: a probe was answered. */
  alive(now = Date.now()): void {
    if (this.#gap) return;
    if (this.#cursor !== undefined) this.#cursor += Math.max(0, (now - this.#cursorAt) / 1000);
    this.#cursorAt = now;
  }

  /** Something was lost, or may have been: from here on there is a gap. */
  lost(): void {
    this.#gap = true;
  }

  /**
   * Asks the server and gives the events of those types that were missed, oldest first. They count as seen.
   *
   * @param projects exact names; `*` among them asks for all projects
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
    const since = (this.#cursor ?? Math.floor(this.#cursorAt / 1000) - AGE_SLACK) - SLACK;
    const age = Math.max(0, Math.ceil((now - this.#cursorAt) / 1000)) + AGE_SLACK;
    const query = `status:open ${condition} -age:${age}s`;
    const rows = await queryChanges(host, ['--current-patch-set', '--comments'], query, { signal, rows: MAX_ROWS });
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
    if (this.#seen.size <= MAX_SEEN) return;
    const oldest = this.#seen.keys().next().value!;
    this.#seen.delete(oldest);
    this.#told.delete(oldest);
  }

  #wasSeen(event: GerritEvent, id = identity(event)): boolean {
    const time = id === undefined ? undefined : this.#seen.get(id);
    if (time === undefined) return false;
    return event.type === PATCHSET || Math.abs(time - (event.eventCreatedOn ?? 0)) <= SLACK;
  }

  #eventsOf(row: QueryRow, since: number): GerritEvent[] {
    const uploaded = patchsetEvent(row);
    if (uploaded === undefined) return [];
    const events = commentEvents(row, uploaded).filter((event) => (event.eventCreatedOn ?? 0) >= since);
    return (uploaded.eventCreatedOn ?? 0) >= since ? [uploaded, ...events] : events;
  }
}

/** What tells an event from others of its change; its time is compared apart. */
function identity(event: GerritEvent): string | undefined {
  const { change, patchSet } = event;
  if (change?.number === undefined || patchSet?.number === undefined) return undefined;
  const place = `${change.number},${patchSet.number}`;
  if (event.type === PATCHSET) return place;
  if (event.type !== COMMENT) return undefined;
  const text = commentText(event);
  return `${place} ${event.author?.username ?? event.author?.name} ${text.length} ${text.slice(0, 200)}`;
}
