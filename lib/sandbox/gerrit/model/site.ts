import { randomBytes } from 'node:crypto';
import { noSuchChange } from '../../../errors/sandbox.ts';
import { writeFileAtomic } from '../../../util/atomic-file.ts';
import { refUpdated, type StreamEvent } from './events.ts';
import type { Repository } from './git.ts';
import type { Change, Message, Patchset, State } from './types.ts';

/** The one project with code in it, and its branch. */
export const PROJECT = 'demo';
export const BRANCH = 'master';
/** Projects that a command may name. */
export const PROJECTS: readonly string[] = ['All-Projects', 'All-Users', PROJECT];

/** A new name for the tip of refs/changes/…/meta; the sandbox keeps no such commits. */
const metaTip = (): string => randomBytes(20).toString('hex');

/** The parts of one running sandbox Gerrit, and the one way in which its changes are written. */
export class Site {
  readonly repository: Repository;
  /** Base of the changes' URLs, without a trailing slash; missing: events carry no `url`. */
  readonly httpUrl: string | undefined;
  readonly state: State;
  readonly #file: string;
  readonly #listeners = new Set<(event: StreamEvent) => void>();
  #queue: Promise<unknown> = Promise.resolve();

  constructor(parts: { repository: Repository; httpUrl?: string; state: State; stateFile: string }) {
    this.repository = parts.repository;
    this.httpUrl = parts.httpUrl;
    this.state = parts.state;
    this.#file = parts.stateFile;
  }

  /** Hands each event over as it happens. Gives the way to stop. */
  onEvent(listener: (event: StreamEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Runs work that changes the state, one after the other. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  /** The change of that number; throws a CiError where there is none. */
  change(number: number): Change {
    const change = this.state.changes.find((one) => one.number === number);
    if (!change) throw noSuchChange(number);
    return change;
  }

  /** Where a change would go: a copy of it, so that nothing half done is seen, or left behind by a failure. */
  draft(number: number): Change {
    return structuredClone(this.change(number));
  }

  /**
   * Puts a changed (or new) change in place: writes the state, then tells of it, as Gerrit does: the refs that moved,
   * the change's meta ref as the last of them, then the event itself.
   */
  async commit(change: Change, by: string, refs: readonly StreamEvent[], event: StreamEvent): Promise<void> {
    const old = this.state.changes.find((one) => one.number === change.number);
    const next: Change = { ...change, meta: metaTip(), updatedOn: Date.now() };
    const changes = [...this.state.changes.filter((one) => one.number !== change.number), next];
    changes.sort((a, b) => a.number - b.number);
    const text = `${JSON.stringify({ ...this.state, changes }, undefined, 1)}\n`;
    await writeFileAtomic(this.#file, text);
    this.state.changes = changes;
    const meta = refUpdated(by, next.project, metaRef(next.number), old?.meta, next.meta);
    for (const one of [...refs, meta, event]) for (const listener of [...this.#listeners]) listener(one);
  }
}

const shard = (change: number): string => String(change % 100).padStart(2, '0');

/** refs/changes/34/1234/2 */
export const patchsetRef = (change: number, patchset: number): string =>
  `refs/changes/${shard(change)}/${change}/${patchset}`;

const metaRef = (change: number): string => `refs/changes/${shard(change)}/${change}/meta`;

/** An entry for the change's log, of now. */
export const logEntry = (
  author: { username: string; name: string },
  patchset: Patchset,
  message: string,
  tag?: string,
): Message => ({
  author: author.username,
  authorName: author.name,
  ...(tag && { tag }),
  message,
  date: Date.now(),
  patchset: patchset.number,
});

/** The patchset with that commit, by its full name or its beginning; the newest where several changes have it. */
export function findRevision(state: State, revision: string): { change: Change; patchset: Patchset } | undefined {
  for (const change of [...state.changes].reverse()) {
    const patchset = change.patchsets.findLast((one) => one.revision.startsWith(revision));
    if (patchset) return { change, patchset };
  }
  return undefined;
}
