import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MemoryEngine } from '../../lib/store/memory.ts';

const engine = () => new MemoryEngine<string, string>();

test('a key is queued once, also after its run has ended', async () => {
  const e = engine();
  const first = await e.enqueue({ key: 'a', data: 'x' });
  assert.equal(first.outcome, 'queued');
  assert.deepEqual(await e.enqueue({ key: 'a', data: 'y' }), { id: first.id, outcome: 'duplicate', superseded: [] });
  const run = await e.claim('me', 60);
  assert.equal(run?.data, 'x');
  assert.equal(await e.finish(run!, 'SUCCESS', []), true);
  assert.equal((await e.enqueue({ key: 'a', data: 'z' })).outcome, 'duplicate');
  assert.equal(await e.claim('me', 60), undefined);
});

test('a newer run cancels those of its key and of no higher rank', async () => {
  const e = engine();
  const old = await e.enqueue({ key: '1', supersede: { key: 'c', rank: 1 }, data: '' });
  await e.claim('me', 60);
  const other = await e.enqueue({ key: '2', supersede: { key: 'd', rank: 1 }, data: '' });
  const newer = await e.enqueue({ key: '3', supersede: { key: 'c', rank: 2 }, data: '' });
  assert.deepEqual(newer.superseded, [old.id]);
  assert.equal(await e.beat({ id: old.id, attempt: 1 }), 'cancelled');
  // A recheck of the older patchset stops nothing newer.
  assert.deepEqual((await e.enqueue({ key: '4', supersede: { key: 'c', rank: 1 }, data: '' })).superseded, []);
  assert.equal((await e.claim('me', 60))?.id, other.id);
});

test('what waits and is cancelled is never claimed', async () => {
  const e = engine();
  const { id } = await e.enqueue({ key: '1', data: '' });
  assert.equal(await e.cancel(id), true);
  assert.equal(await e.claim('me', 60), undefined);
  assert.equal(await e.cancel(id), false);
});

test('a stale owner is told so', async () => {
  const e = engine();
  await e.enqueue({ key: '1', data: '' });
  const run = (await e.claim('me', 60))!;
  const stale = { id: run.id, attempt: 0 };
  assert.equal(await e.beat(stale), 'lost');
  assert.equal(await e.finish(stale, 'SUCCESS', [{ key: 'r', report: 'r' }]), false);
  assert.equal(await e.outbox.pending(), 0);
});

test('the outbox sends each key once, gives up nothing, and waits as told', async () => {
  const { outbox } = engine();
  assert.equal(await outbox.put({ key: 'r', report: 'hello' }), true);
  assert.equal(await outbox.put({ key: 'r', report: 'again' }), false);
  assert.deepEqual(await outbox.claim('me', 60), { key: 'r', report: 'hello', tries: 1 });
  assert.equal(await outbox.claim('me', 60), undefined, 'it is held');
  await outbox.nack('r', 0);
  assert.equal((await outbox.claim('me', 60))?.tries, 2);
  await outbox.ack('r');
  assert.equal(await outbox.pending(), 0);
  assert.equal(await outbox.put({ key: 'r', report: 'late' }), false, 'what was sent is not sent again');
});

test('a host gives out no more slots than it has, and a run has one', async () => {
  const { slots } = engine();
  assert.equal(await slots.acquire('h', 2, 'a'), 0);
  assert.equal(await slots.acquire('h', 2, 'a'), 0);
  assert.equal(await slots.acquire('h', 2, 'b'), 1);
  assert.equal(await slots.acquire('h', 2, 'c'), undefined);
  await slots.release('h', 'a');
  assert.equal(await slots.acquire('h', 2, 'c'), 0);
  assert.equal(await slots.held('h'), 2);
});
