import { randomBytes } from 'node:crypto';
import { noSuchChange } from '../../../errors/sandbox.ts';
import { writeFileAtomic } from '../../../util/atomic-file.ts';
import { refUpdated, type StreamEvent } from './events.ts';
import type { Repository } from './git.ts';
import type { Change, Message, Patchset, State } from './types.ts';

/** The only project with code. */
export const PROJECT = 'demo';
/** Its only branch. */
export const BRANCH = 'master';
/** Projects that commands accept. */
export const PROJECTS: readonly string[] = ['All-Projects', 'All-Users', PROJECT];

/** Returns a new id for the tip of refs/changes/…/meta; the sandbox has no such commits. */
const metaTip = (): string => randomBytes(20).toString('hex');

/** The parts of a running sandbox Gerrit, and the only place where its changes are written. */
export class Site {
  readonly repository: Repository;
  /** Base of the changes' URLs, without a trailing slash; if missing, events have no `url`. */
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

  /** Calls back with each event. @returns how to stop */
  onEvent(listener: (event: StreamEvent) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Runs work that modifies the state, one at a time. */
  exclusive<T>(work: () => Promise<T>): Promise<T> {
    const done = this.#queue.then(work);
    this.#queue = done.catch(() => {});
    return done;
  }

  /** Returns the change with a number. @throws CiError if there is none */
  change(number: number): Change {
    const change = this.state.changes.find((one) => one.number === number);
    if (!change) throw noSuchChange(number);
    return change;
  }

  /** Returns a copy of a change to modify, so that a failure leaves nothing half done. */
  draft(number: number): Change {
    return structuredClone(this.change(number));
  }

  /**
   * Replaces or adds a change: writes the state, then emits the events in Gerrit's order: the updated refs, the
   * change's meta ref last, then the event itself.
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

/** Returns the ref of a patchset: refs/changes/34/1234/2. */
export const patchsetRef = (change: number, patchset: number): string =>
  `refs/changes/${shard(change)}/${change}/${patchset}`;

const metaRef = (change: number): string => `refs/changes/${shard(change)}/${change}/meta`;

/** Returns an entry for the change's log with the current time. */
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

/** Finds the patchset with a commit, by its full or abbreviated id; the newest if several changes have it. */
export function findRevision(state: State, revision: string): { change: Change; patchset: Patchset } | undefined {
  for (const change of [...state.changes].reverse()) {
    const patchset = change.patchsets.findLast((one) => one.revision.startsWith(revision));
    if (patchset) return { change, patchset };
  }
  return undefined;
}
