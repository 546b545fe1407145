import type { Result } from '../model/result.ts';

/** What is asked of the engine: one build. */
export interface RunRequest<Data> {
  /** Dedupe key: server | project | change | patchset | revision | pipeline | trigger | job. */
  key: string;
  /**
   * Under one key (server | project | change | pipeline | job) a run ends the ones of the same or a lower rank (the
   * patchset's number). Missing: nothing is superseded.
   */
  supersede?: { key: string; rank: number };
  data: Data;
}

/** A build that an owner holds. `attempt` is the fencing token: a stale owner's calls answer false or `lost`. */
export interface Run<Data> {
  id: string;
  attempt: number;
  data: Data;
}

/** One thing to be sent to the world at least once. */
export interface OutboxEntry<Report> {
  /** Unique: the same key is queued once. */
  key: string;
  report: Report;
}

export interface OutboxClaim<Report> extends OutboxEntry<Report> {
  /** Counted from 1. */
  tries: number;
}

/**
 * Where builds live. In memory today; a durable store takes its place without a change above. All methods return a
 * Promise, so that it can.
 */
export interface Engine<Data, Report> {
  enqueue(request: RunRequest<Data>): Promise<{ id: string; outcome: 'queued' | 'duplicate'; superseded: string[] }>;
  /** The next queued run, or undefined. `lease` in seconds. */
  claim(owner: string, lease: number): Promise<Run<Data> | undefined>;
  beat(run: { id: string; attempt: number }): Promise<'ok' | 'cancelled' | 'lost'>;
  checkpoint(run: { id: string; attempt: number }, stage: string, state: unknown): Promise<boolean>;
  /** Ends a run: its result, its history row and what is to be sent, in one transaction. False where it was not ours. */
  finish(run: { id: string; attempt: number }, result: Result, outbox: OutboxEntry<Report>[]): Promise<boolean>;
  cancel(id: string): Promise<boolean>;
  readonly slots: SlotTable;
  readonly outbox: Outbox<Report>;
}

/** A build's places on hosts. */
export interface SlotTable {
  /** Takes a slot of the host for the run where one is free; the same run asking again gets the one it has. */
  acquire(host: string, slots: number, run: string): Promise<number | undefined>;
  release(host: string, run: string): Promise<void>;
  held(host: string): Promise<number>;
}

/** What is to be sent to the world at least once. */
export interface Outbox<Report> {
  /** Queues an entry; false where its key was queued before. */
  put(entry: OutboxEntry<Report>): Promise<boolean>;
  /** The oldest entry that is due, held for `lease` seconds. */
  claim(owner: string, lease: number): Promise<OutboxClaim<Report> | undefined>;
  ack(key: string): Promise<void>;
  /** Back into the box, due again after `delay` milliseconds. */
  nack(key: string, delay: number): Promise<void>;
  pending(): Promise<number>;
}
