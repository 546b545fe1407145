import assert from 'node:assert/strict';
import { test } from 'node:test';
import { KeyedLock } from '../../lib/util/keyed-lock.ts';

const never = new AbortController().signal;

test('work on one key runs one at a time and in order, even if earlier work failed', async () => {
  const lock = new KeyedLock();
  const seen: string[] = [];
  const first = Promise.withResolvers<void>();
  const one = lock.run('k', never, async () => {
    seen.push('one begins');
    await first.promise;
    seen.push('one ends');
    throw new Error('broken');
  });
  const two = lock.run('k', never, async () => seen.push('two'));
  const other = lock.run('other', never, async () => seen.push('other key'));
  await other;
  first.resolve();
  await assert.rejects(one, /broken/);
  await two;
  assert.deepEqual(seen, ['one begins', 'other key', 'one ends', 'two']);
});

test('a waiter that gives up does not let others overtake running work', async () => {
  const lock = new KeyedLock();
  const first = Promise.withResolvers<void>();
  let running = 0;
  let most = 0;
  const work = async (until: Promise<void>) => {
    most = Math.max(most, ++running);
    await until;
    running--;
  };
  const one = lock.run('k', never, () => work(first.promise));
  const gaveUp = lock.run('k', AbortSignal.abort(new Error('enough')), () => work(Promise.resolve()));
  await assert.rejects(gaveUp, /enough/);
  const three = lock.run('k', never, () => work(Promise.resolve()));
  await new Promise(setImmediate);
  assert.equal(running, 1);
  first.resolve();
  await Promise.all([one, three]);
  assert.equal(most, 1);
});
