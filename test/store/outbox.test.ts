import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Outbox } from '../../lib/store/outbox.ts';

test('each key is claimed by one sender, again only after a retry, and never after it was sent', async () => {
  const outbox = new Outbox<string>();
  assert.equal(await outbox.put({ key: 'r', report: 'hello' }), true);
  assert.equal(await outbox.put({ key: 'r', report: 'again' }), false);
  assert.deepEqual(await outbox.claim(), { key: 'r', report: 'hello', tries: 1 });
  assert.equal(await outbox.claim(), undefined, 'it is claimed');
  await outbox.retry('r', 0);
  assert.equal((await outbox.claim())?.tries, 2);
  await outbox.retry('r', 60_000);
  assert.equal(await outbox.claim(), undefined, 'it is not due');
  assert.equal(await outbox.pending(), 1);
  await outbox.done('r');
  assert.equal(await outbox.pending(), 0);
  assert.equal(await outbox.put({ key: 'r', report: 'late' }), false, 'it was sent before');
});

test('the oldest entry that is due comes first', async () => {
  const outbox = new Outbox<string>();
  for (const key of ['a', 'b', 'c']) await outbox.put({ key, report: key });
  assert.equal((await outbox.claim())?.key, 'a');
  await outbox.retry('a', 60_000);
  assert.equal((await outbox.claim())?.key, 'b');
});
