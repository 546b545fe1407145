import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Room } from '../../lib/build/room.ts';
import { MemorySlots } from '../../lib/engine/memory-slots.ts';
import type { CiError } from '../../lib/errors/ci-error.ts';
import type { Worker } from '../../lib/worker/types.ts';
import { until } from '../support/until.ts';

const worker = (id: string, slots: number, more: Partial<Worker> = {}): Worker =>
  ({ id, label: `worker ${id}`, slots, isolated: true, strangers: false, ...more }) as Worker;
const ask = (signal = new AbortController().signal, limit = 5_000) => ({
  limit,
  trusted: false,
  signal,
  onWait: () => {},
});

test('takes the worker with the most room', async () => {
  const room = new Room(new MemorySlots());
  const workers = [worker('a', 1), worker('b', 2)];
  assert.equal((await room.acquire('1', workers, ask())).id, 'b');
  assert.deepEqual(
    new Set([(await room.acquire('2', workers, ask())).id, (await room.acquire('3', workers, ask())).id]),
    new Set(['a', 'b']),
  );
});

test('builds wait in their order and are told their place', async () => {
  const room = new Room(new MemorySlots());
  const one = [worker('a', 1)];
  await room.acquire('1', one, ask());
  const places: number[] = [];
  const order: string[] = [];
  const second = room.acquire('2', one, ask()).then(() => order.push('2'));
  const third = room.acquire('3', one, { ...ask(), onWait: (place) => places.push(place) }).then(() => order.push('3'));
  await until('the third is told its place', () => places.includes(2));
  await room.release(one[0]!, '1');
  await second;
  await room.release(one[0]!, '2');
  await third;
  assert.deepEqual(order, ['2', '3']);
  assert.deepEqual([...new Set(places)], [2, 1]);
});

test('one that gives up leaves the queue, and its slot goes to the next', async () => {
  const room = new Room(new MemorySlots());
  const one = [worker('a', 1)];
  await room.acquire('1', one, ask());
  const gone = new AbortController();
  const second = room.acquire('2', one, ask(gone.signal));
  const third = room.acquire('3', one, ask());
  gone.abort(new Error('not wanted'));
  await assert.rejects(second, /not wanted/);
  await room.release(one[0]!, '1');
  assert.equal((await third).id, 'a');
});

test('past its limit the wait ends with what was full', async () => {
  const room = new Room(new MemorySlots());
  const one = [worker('a', 1)];
  await room.acquire('1', one, ask());
  await assert.rejects(
    room.acquire('2', one, ask(undefined, 30)),
    (error: CiError) =>
      error.code === 'build/no-room' &&
      error.message.includes('worker a holds 1 of 1') &&
      error.result === 'NODE_FAILURE',
  );
});

test('a worker without walls takes strangers’ code only where its operator said so', async () => {
  const room = new Room(new MemorySlots());
  const open = worker('a', 1, { isolated: false });
  await assert.rejects(room.acquire('1', [open], ask()), (error: CiError) => error.code === 'build/strangers-code');
  assert.equal((await room.acquire('2', [open], { ...ask(), trusted: true })).id, 'a');
  assert.equal((await room.acquire('3', [worker('b', 1, { isolated: false, strangers: true })], ask())).id, 'b');
});

/** Slots in a store that answers when the test says so. */
class SlowSlots extends MemorySlots {
  answer: Promise<unknown> = Promise.resolve();

  override async held(host: string): Promise<number> {
    await this.answer;
    return super.held(host);
  }
}

test('one that gives up while the slots are being asked is told so, and holds none', async () => {
  const slots = new SlowSlots();
  const room = new Room(slots);
  const store = Promise.withResolvers<void>();
  slots.answer = store.promise;
  const gone = new AbortController();
  const asked = room.acquire('1', [worker('a', 1)], ask(gone.signal));
  // Nobody may be left with a rejection that nothing handles: it would end the process.
  const loose: unknown[] = [];
  const onLoose = (reason: unknown) => loose.push(reason);
  process.on('unhandledRejection', onLoose);
  const refused = assert.rejects(asked, /not wanted/);
  gone.abort(new Error('not wanted'));
  await new Promise((resolve) => setTimeout(resolve, 10));
  store.resolve();
  await refused;
  process.off('unhandledRejection', onLoose);
  assert.deepEqual(loose, []);
  await until('the slot is free', async () => (await slots.held('a')) === 0);
});

test('where the slots cannot be asked, the build waits no longer', async () => {
  const slots = new SlowSlots();
  const room = new Room(slots);
  slots.answer = Promise.reject(new Error('the database is away'));
  await assert.rejects(room.acquire('1', [worker('a', 1)], ask()), /database is away/);
  slots.answer = Promise.resolve();
  assert.equal((await room.acquire('2', [worker('a', 1)], ask())).id, 'a');
});
