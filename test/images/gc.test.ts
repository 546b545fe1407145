import assert from 'node:assert/strict';
import { test } from 'node:test';
import { CiError } from '../../lib/errors/ci-error.ts';
import type { ImageBuilder } from '../../lib/images/builder.ts';
import { ImageCollector } from '../../lib/images/gc.ts';
import type { ImageSpec, Worker } from '../../lib/worker/types.ts';
import { waitFor } from '../support/wait.ts';

const GRACE = 30;
const image = { name: 'base', key: 'k' } as ImageSpec;
const workers = [{ id: 'a', label: 'worker a' } as Worker, { id: 'b', label: 'worker b' } as Worker];

test('some time after a change, unused images are removed from each worker that is up', async (t) => {
  const asked: string[] = [];
  const builder = {
    async collect(worker: Worker, kept: readonly ImageSpec[]) {
      asked.push(`${worker.id}: ${kept.map(({ name }) => name)}`);
      if (worker.id === 'a') throw new CiError({ code: 'ssh/down', blame: 'worker', message: 'worker a: no answer.' });
      return ['base@old'];
    },
  } as unknown as ImageBuilder;
  const told: unknown[] = [];
  const keeper = new ImageCollector(
    builder,
    { images: () => [image], workers: () => workers, onCollected: ({ id }, what) => told.push([id, what]) },
    GRACE,
  );
  t.after(() => keeper.close());
  keeper.changed();
  keeper.changed();
  assert.deepEqual(asked, []);
  await waitFor('both were looked over', () => told.length === 2);
  assert.deepEqual(asked, ['a: base', 'b: base']);
  assert.deepEqual(told, [
    ['a', { failed: 'worker a: no answer.' }],
    ['b', { removed: ['base@old'] }],
  ]);
  keeper.changed();
  await waitFor('it looks again', () => asked.length === 4);
});

test('nothing is removed if the settings of an image cannot be read', async (t) => {
  let looked = false;
  const keeper = new ImageCollector(
    {
      async collect() {
        throw new Error('must not be asked');
      },
    } as unknown as ImageBuilder,
    {
      images: () => {
        looked = true;
        throw new CiError({ code: 'image/circle', blame: 'image', message: 'Image a is made of itself.' });
      },
      workers: () => workers,
      onCollected: () => assert.fail('nothing was collected'),
    },
    GRACE,
  );
  t.after(() => keeper.close());
  keeper.changed();
  await waitFor('it has looked', () => looked);
  await new Promise((resolve) => setImmediate(resolve));
});
