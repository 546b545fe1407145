import { setTimeout as sleep } from 'node:timers/promises';
import type { Node } from 'node-red';
import { reap } from '../../lib/builds/reap.ts';
import { messageOf } from '../../lib/errors/ci-error.ts';
import type { Runtime } from '../shared/runtime.ts';
import type { Placed } from './settings.ts';

/** Delays between attempts to remove the leftovers of a crash; the last delay repeats until an attempt succeeds. */
const RETRY_DELAYS_MS = [30_000, 60_000, 120_000, 300_000];

/** Locations of which the leftovers of a crash were removed. */
const REAPED = { make: () => new Set<string>() };

/**
 * Keeps a worker's connection open until the node is closed, and removes the leftovers of a crash from the worker, once
 * per process and location. Retries until the worker can be reached and everything is removed.
 */
export async function attend(
  node: Node,
  runtime: Runtime,
  { worker, place, machine }: Placed,
  pauses: readonly number[] = RETRY_DELAYS_MS,
): Promise<void> {
  const closed = new AbortController();
  node.on('close', () => closed.abort());
  const { signal } = closed;
  const { supervisor, services } = runtime;
  const { controller, images } = services;
  const reaped = runtime.of(REAPED);
  const target = await machine?.target?.();
  if (signal.aborted) return;
  const link = target && runtime.pool.acquire(target);
  if (link) node.on('close', () => link.release());
  for (let tries = 1; !reaped.has(place); tries += 1) {
    try {
      await link?.host(signal);
      // Set before it starts, so that another node of this location does not start it too.
      reaped.add(place);
      await reap(worker, controller, (owner) => supervisor.owns(owner) || images.owns(owner));
    } catch (error) {
      if (signal.aborted && !reaped.has(place)) return;
      reaped.delete(place);
      if (tries === 1) node.error(messageOf(error));
      if (signal.aborted) return;
      await sleep(pauses[Math.min(tries, pauses.length) - 1], undefined, { signal, ref: false }).catch(() => undefined);
      if (signal.aborted) return;
    }
  }
}
