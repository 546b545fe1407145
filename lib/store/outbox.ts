/** One report to be sent at least once. */
export interface OutboxEntry<Report> {
  /** Unique: an entry whose key was queued or sent before is refused. */
  key: string;
  report: Report;
}

/** An entry that a sender has claimed. */
export interface OutboxClaim<Report> extends OutboxEntry<Report> {
  /** How often it has been claimed, including this time. */
  tries: number;
}

interface Row<Report> extends OutboxClaim<Report> {
  isClaimed: boolean;
  /** When it is due: milliseconds since the epoch. */
  dueAt: number;
}

/** Keys of sent entries that are remembered, so that no entry is sent twice. */
const MAX_SENT_KEYS_COUNT = 10_000;

/** Queue of reports to be sent: each is sent at least once while the process lives. */
export class Outbox<Report> {
  readonly #rows = new Map<string, Row<Report>>();
  readonly #sent = new Set<string>();

  /** Queues an entry. @returns false if its key was queued before */
  async put(entry: OutboxEntry<Report>): Promise<boolean> {
    if (this.#rows.has(entry.key) || this.#sent.has(entry.key)) return false;
    this.#rows.set(entry.key, { ...entry, tries: 0, isClaimed: false, dueAt: 0 });
    return true;
  }

  /** Claims the oldest entry that is due; no other sender gets it until `retry` puts it back. */
  async claim(): Promise<OutboxClaim<Report> | undefined> {
    const now = Date.now();
    for (const row of this.#rows.values()) {
      if (row.isClaimed || row.dueAt > now) continue;
      row.isClaimed = true;
      row.tries += 1;
      return { key: row.key, report: row.report, tries: row.tries };
    }
    return undefined;
  }

  /** Removes an entry that was sent or given up. */
  async done(key: string): Promise<void> {
    if (!this.#rows.delete(key)) return;
    this.#sent.add(key);
    if (this.#sent.size > MAX_SENT_KEYS_COUNT) this.#sent.delete(this.#sent.values().next().value!);
  }

  /** Puts a claimed entry back, due again in `delayMs` milliseconds. */
  async retry(key: string, delayMs: number): Promise<void> {
    const row = this.#rows.get(key);
    if (row) Object.assign(row, { isClaimed: false, dueAt: Date.now() + delayMs });
  }

  /** Counts the entries that are not done. */
  async pending(): Promise<number> {
    return this.#rows.size;
  }
}
