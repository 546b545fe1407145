import type { Outbox, OutboxClaim, OutboxEntry } from './types.ts';

interface Row<Report> extends OutboxClaim<Report> {
  /** When it is due, or its holder's lease ends: milliseconds since the epoch. */
  due: number;
}

/** How many keys of sent entries are remembered, so that none is sent twice. */
const SENT_KEPT = 10_000;

/** The outbox in memory: each entry is sent at least once while the process lives. */
export class MemoryOutbox<Report> implements Outbox<Report> {
  readonly #rows = new Map<string, Row<Report>>();
  readonly #sent = new Set<string>();

  async put(entry: OutboxEntry<Report>): Promise<boolean> {
    if (this.#rows.has(entry.key) || this.#sent.has(entry.key)) return false;
    this.#rows.set(entry.key, { ...entry, tries: 0, due: 0 });
    return true;
  }

  async claim(_owner: string, lease: number): Promise<OutboxClaim<Report> | undefined> {
    const now = Date.now();
    for (const row of this.#rows.values()) {
      if (row.due > now) continue;
      row.due = now + lease * 1000;
      row.tries += 1;
      return { key: row.key, report: row.report, tries: row.tries };
    }
    return undefined;
  }

  async ack(key: string): Promise<void> {
    if (!this.#rows.delete(key)) return;
    this.#sent.add(key);
    if (this.#sent.size > SENT_KEPT) this.#sent.delete(this.#sent.values().next().value!);
  }

  async nack(key: string, delay: number): Promise<void> {
    const row = this.#rows.get(key);
    if (row) row.due = Date.now() + delay;
  }

  async pending(): Promise<number> {
    return this.#rows.size;
  }
}
