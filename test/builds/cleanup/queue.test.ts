import assert from 'node:assert/strict';
import { beforeEach, type TestContext, test } from 'node:test';
import { CleanupQueue, MAX_LEFTOVERS_COUNT } from '../../../lib/builds/cleanup/queue.ts';

const MINUTE = 60_000;
let cleanupQueue: CleanupQueue;
beforeEach(() => {
  cleanupQueue = new CleanupQueue();
});

/** Advances the time in steps, so that each try can end. @param time milliseconds */
async function pass(t: TestContext, time: number): Promise<void> {
  for (let at = 0; at < time; at += 5_000) {
    t.mock.timers.tick(5_000);
    await new Promise(setImmediate);
  }
}

test('a removal is retried until it succeeds', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  let away = true;
  let tries = 0;
  cleanupQueue.keep('guest', async () => {
    tries += 1;
    if (tries % 2 === 0) throw new Error('the worker is away');
    return !away;
  });
  await pass(t, MINUTE);
  assert.equal(tries, 2);
  await pass(t, 60 * MINUTE);
  assert.equal(tries, 14, 'every five minutes');
  away = false;
  await pass(t, 10 * MINUTE);
  const last = tries;
  await pass(t, 60 * MINUTE);
  assert.equal(tries, last);
});

test('nothing is tried after close, or after the caller has taken it back', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const tried: string[] = [];
  const stays = (what: string) =>
    cleanupQueue.keep(what, async () => {
      tried.push(what);
      return false;
    });
  stays('one');
  stays('other');
  await cleanupQueue.drop('one');
  await pass(t, MINUTE);
  assert.deepEqual(tried, ['other', 'other']);
  cleanupQueue.close();
  await pass(t, 60 * MINUTE);
  assert.deepEqual(tried, ['other', 'other']);
  assert.equal(stays('late'), false);
});

test('taking a removal back waits for the try in progress, which is the last one', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const gate = Promise.withResolvers<boolean>();
  let tries = 0;
  cleanupQueue.keep('guest', () => {
    tries += 1;
    return gate.promise;
  });
  await pass(t, 5_000);
  assert.equal(tries, 1);
  let free = false;
  const dropped = cleanupQueue.drop('guest').then(() => {
    free = true;
  });
  await new Promise(setImmediate);
  assert.equal(free, false);
  gate.resolve(false);
  await dropped;
  await pass(t, 60 * MINUTE);
  assert.equal(tries, 1);
});

test('the number of leftovers is limited; one with the same key replaces the earlier one', () => {
  const stays = async () => false;
  for (let n = 0; n < MAX_LEFTOVERS_COUNT; n += 1) assert.equal(cleanupQueue.keep(`guest ${n}`, stays), true);
  assert.equal(cleanupQueue.keep('one more', stays), false);
  assert.equal(cleanupQueue.keep('guest 1', stays), true);
  cleanupQueue.close();
});
