import { randomBytes } from 'node:crypto';
import type { Result } from '../model/result.ts';
import { MemoryOutbox } from './outbox.ts';
import { MemorySlots } from './slots.ts';
import type { Engine, OutboxEntry, Run, RunRequest } from './types.ts';

interface Row<Data> {
  id: string;
  attempt: number;
  request: RunRequest<Data>;
  state: 'queued' | 'running' | 'cancelled';
}

/** How many dedupe keys are remembered: more than a Gerrit sends in the time that a replay reaches back. */
const KEYS_KEPT = 50_000;

/**
 * The engine in memory: builds are lost with the process. It keeps the interface of a durable one, so that nothing
 * above it changes when that takes its place.
 */
export class MemoryEngine<Data, Report> implements Engine<Data, Report> {
  readonly slots = new MemorySlots();
  readonly outbox = new MemoryOutbox<Report>();
  readonly #rows = new Map<string, Row<Data>>();
  readonly #queue = new Set<string>();
  readonly #keys = new Map<string, string>();

  async enqueue(
    request: RunRequest<Data>,
  ): Promise<{ id: string; outcome: 'queued' | 'duplicate'; superseded: string[] }> {
    const known = this.#keys.get(request.key);
    if (known !== undefined) return { id: known, outcome: 'duplicate', superseded: [] };
    const superseded = request.supersede ? this.#supersede(request.supersede) : [];
    const id = randomBytes(4).toString('hex');
    this.#rows.set(id, { id, attempt: 1, request, state: 'queued' });
    this.#queue.add(id);
    this.#keys.set(request.key, id);
    if (this.#keys.size > KEYS_KEPT) this.#keys.delete(this.#keys.keys().next().value!);
    return { id, outcome: 'queued', superseded };
  }

  async claim(_owner: string, _lease: number): Promise<Run<Data> | undefined> {
    const id = this.#queue.values().next().value;
    if (id === undefined) return undefined;
    this.#queue.delete(id);
    const row = this.#rows.get(id)!;
    row.state = 'running';
    return { id, attempt: row.attempt, data: row.request.data };
  }

  async beat(run: { id: string; attempt: number }): Promise<'ok' | 'cancelled' | 'lost'> {
    const row = this.#mine(run);
    if (!row) return 'lost';
    return row.state === 'cancelled' ? 'cancelled' : 'ok';
  }

  async checkpoint(run: { id: string; attempt: number }, _stage: string, _state: unknown): Promise<boolean> {
    return this.#mine(run) !== undefined;
  }

  async finish(run: { id: string; attempt: number }, _result: Result, outbox: OutboxEntry<Report>[]): Promise<boolean> {
    if (!this.#mine(run)) return false;
    this.#rows.delete(run.id);
    for (const entry of outbox) await this.outbox.put(entry);
    return true;
  }

  async cancel(id: string): Promise<boolean> {
    const row = this.#rows.get(id);
    if (!row) return false;
    if (row.state === 'queued') {
      this.#queue.delete(id);
      this.#rows.delete(id);
    } else {
      row.state = 'cancelled';
    }
    return true;
  }

  #mine(run: { id: string; attempt: number }): Row<Data> | undefined {
    const row = this.#rows.get(run.id);
    return row?.attempt === run.attempt ? row : undefined;
  }

  #supersede({ key, rank }: { key: string; rank: number }): string[] {
    const older = [...this.#rows.values()].filter(
      ({ request, state }) => state !== 'cancelled' && request.supersede?.key === key && request.supersede.rank <= rank,
    );
    for (const row of older) void this.cancel(row.id);
    return older.map((row) => row.id);
  }
}
