import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Build } from '../../lib/build/build.ts';
import { Lease } from '../../lib/build/lease.ts';
import { Room } from '../../lib/build/room.ts';
import type { Services } from '../../lib/build/services.ts';
import { cloneStep } from '../../lib/build/steps/clone.ts';
import { MemorySlots } from '../../lib/engine/memory-slots.ts';
import type { ImageSpec, Worker } from '../../lib/worker/types.ts';

const image: ImageSpec = { name: 'base', key: 'k', source: { kind: 'empty' }, loginUser: 'ci' };

test('an image that fails after its build was aborted harms nobody', async () => {
  const aborted = new AbortController();
  const worker = {
    id: 'a',
    label: 'worker a',
    slots: 1,
    isolated: true,
    storage: {
      // Aborted while the worker is asked.
      has: async () => {
        aborted.abort(new Error('not wanted'));
        return false;
      },
      make: async () => {
        throw new Error('no such file');
      },
    },
  } as unknown as Worker;
  const lease = new Lease();
  const build = { id: '1', attempt: 1, lease, set: { request: { trusted: true } }, say() {} } as unknown as Build;
  const services = { room: new Room(new MemorySlots()) } as unknown as Services;
  const loose: unknown[] = [];
  const onLoose = (reason: unknown) => loose.push(reason);
  process.on('unhandledRejection', onLoose);
  await assert.rejects(
    cloneStep(
      { build, signal: aborted.signal, progress() {} },
      { node: 'clone', image, workers: [worker], guest: 'vm', addressEnv: '', wait: 1_000 },
      services,
    ),
    /not wanted/,
  );
  await new Promise((resolve) => setTimeout(resolve, 10));
  process.off('unhandledRejection', onLoose);
  assert.deepEqual(loose, []);
});
