import assert from 'node:assert/strict';
import { EventEmitter } from 'node:events';
import { test } from 'node:test';
import type { Node } from 'node-red';
import type { Runtime } from '../../../nodes/shared/runtime.ts';
import { attend } from '../../../nodes/worker-host/reaper.ts';
import type { Placed } from '../../../nodes/worker-host/settings.ts';
import { waitFor } from '../../support/wait.ts';

/** Returns a node whose worker is unreachable until `away` is false. `looks` counts the searches for leftovers. */
function setUp(place: string) {
  const state = { away: true, looks: 0, errors: [] as string[] };
  const node = Object.assign(new EventEmitter(), { error: (text: string) => state.errors.push(text) });
  const reaped = new Set<string>();
  const runtime = {
    supervisor: {},
    services: { controller: 'c1', images: {} },
    of: () => reaped,
  } as unknown as Runtime;
  const worker = {
    storage: { list: async () => [] },
    hypervisor: {
      async list() {
        state.looks += 1;
        if (state.away) throw new Error('the worker is away');
        return [];
      },
    },
  };
  const placed = { worker, place } as unknown as Placed;
  const attended = attend(node as unknown as Node, runtime, placed, [1, 2]);
  return { state, node, attended };
}

test('the search for leftovers of a crash is repeated until the worker is back, and its error is logged once', async () => {
  const { state, attended } = setUp('one');
  await waitFor('the search is repeated', () => state.looks > 20);
  state.away = false;
  await attended;
  assert.deepEqual(state.errors, ['the worker is away']);
});

test('the search for leftovers ends when the node is closed', async () => {
  const { state, node, attended } = setUp('two');
  await waitFor('the search has begun', () => state.looks > 1);
  node.emit('close');
  await attended;
  const { looks } = state;
  await new Promise((resolve) => setTimeout(resolve, 30));
  assert.equal(state.looks, looks);
});
