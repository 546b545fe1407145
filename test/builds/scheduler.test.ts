import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Scheduler } from '../../lib/builds/scheduler.ts';
import { bootFailed } from '../../lib/errors/build-guest.ts';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { imageFailedBefore, imageScriptFailed } from '../../lib/errors/image.ts';
import { guestVanished, libvirtDown } from '../../lib/errors/libvirt.ts';
import { networkDown } from '../../lib/errors/libvirt-network.ts';
import { placeMissing, storageFull } from '../../lib/errors/storage.ts';
import { guestDied, rulesFailed } from '../../lib/errors/worker.ts';
import { Slots } from '../../lib/store/slots.ts';
import type { Worker } from '../../lib/worker/types.ts';
import { waitFor } from '../support/wait.ts';

const worker = (id: string, slots: number, more: Partial<Worker> = {}): Worker =>
  ({ id, label: `worker ${id}`, slots, isolated: true, acceptsUntrusted: false, ...more }) as Worker;
const ask = (signal = new AbortController().signal, limit = 60_000) => ({
  limit,
  trusted: false,
  signal,
  onWait: () => {},
});

test('takes the worker with the most free slots', async () => {
  const scheduler = new Scheduler(new Slots());
  const workers = [worker('a', 1), worker('b', 2)];
  assert.equal((await scheduler.acquire('1', () => workers, ask())).id, 'b');
  assert.deepEqual(
    new Set([
      (await scheduler.acquire('2', () => workers, ask())).id,
      (await scheduler.acquire('3', () => workers, ask())).id,
    ]),
    new Set(['a', 'b']),
  );
});

test('builds wait in order and are notified of their position', async () => {
  const scheduler = new Scheduler(new Slots());
  const one = [worker('a', 1)];
  await scheduler.acquire('1', () => one, ask());
  const positions: number[] = [];
  const order: string[] = [];
  const second = scheduler.acquire('2', () => one, ask()).then(() => order.push('2'));
  const third = scheduler
    .acquire('3', () => one, { ...ask(), onWait: (position) => positions.push(position) })
    .then(() => order.push('3'));
  await waitFor('the third knows its position', () => positions.includes(2));
  await scheduler.release(one[0]!, '1');
  await second;
  await scheduler.release(one[0]!, '2');
  await third;
  assert.deepEqual(order, ['2', '3']);
  assert.deepEqual([...new Set(positions)], [2, 1]);
});

test('an aborted build leaves the queue, and the next one gets the slot', async () => {
  const scheduler = new Scheduler(new Slots());
  const one = [worker('a', 1)];
  await scheduler.acquire('1', () => one, ask());
  const gone = new AbortController();
  const second = scheduler.acquire('2', () => one, ask(gone.signal));
  const third = scheduler.acquire('3', () => one, ask());
  gone.abort(new Error('not wanted'));
  await assert.rejects(second, /not wanted/);
  await scheduler.release(one[0]!, '1');
  assert.equal((await third).id, 'a');
});

test('a build that waits too long fails with the hosts that were full', async () => {
  const scheduler = new Scheduler(new Slots());
  const one = [worker('a', 1)];
  await scheduler.acquire('1', () => one, ask());
  await assert.rejects(
    scheduler.acquire('2', () => one, ask(undefined, 30)),
    (error: CiError) =>
      error.code === 'build/no-room' &&
      error.message.includes('worker a has 1 of 1 slots in use') &&
      error.result === 'NODE_FAILURE',
  );
});

test('a worker that is not isolated runs untrusted code only if its operator allowed it', async () => {
  const scheduler = new Scheduler(new Slots());
  const open = worker('a', 1, { isolated: false });
  await assert.rejects(
    scheduler.acquire('1', () => [open], ask()),
    (error: CiError) => error.code === 'build/strangers-code',
  );
  assert.equal((await scheduler.acquire('2', () => [open], { ...ask(), trusted: true })).id, 'a');
  assert.equal(
    (await scheduler.acquire('3', () => [worker('b', 1, { isolated: false, acceptsUntrusted: true })], ask())).id,
    'b',
  );
});

/** Slots whose answer the test can delay. */
class SlowSlots extends Slots {
  answer: Promise<unknown> = Promise.resolve();

  override async held(host: string): Promise<number> {
    await this.answer;
    return super.held(host);
  }
}

test('a build that is aborted while the slots are read is rejected and holds none', async () => {
  const slots = new SlowSlots();
  const scheduler = new Scheduler(slots);
  const store = Promise.withResolvers<void>();
  slots.answer = store.promise;
  const gone = new AbortController();
  const asked = scheduler.acquire('1', () => [worker('a', 1)], ask(gone.signal));
  // An unhandled rejection would end the process.
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
  await waitFor('the slot is free', async () => (await slots.held('a')) === 0);
});

test('a build fails at once if the slots cannot be read', async () => {
  const slots = new SlowSlots();
  const scheduler = new Scheduler(slots);
  slots.answer = Promise.reject(new Error('the database is away'));
  await assert.rejects(
    scheduler.acquire('1', () => [worker('a', 1)], ask()),
    /database is away/,
  );
  slots.answer = Promise.resolve();
  assert.equal((await scheduler.acquire('2', () => [worker('a', 1)], ask())).id, 'a');
});

test('a build waits for a host with too little free memory, with the reason, and gets it later', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const scheduler = new Scheduler(new Slots());
  let reason: string | undefined = 'has 512 MiB of free memory, and 1024 are wanted';
  const tight = worker('a', 2, { capacity: async () => ({ memory: 512, load: 0, ...(reason ? { reason } : {}) }) });
  const reasons: string[] = [];
  const asked = scheduler.acquire('1', () => [tight], {
    ...ask(undefined, 60_000),
    onWait: (_, why) => reasons.push(why),
  });
  await waitFor('there is a reason', () => reasons.length === 1);
  assert.deepEqual(reasons, ['worker a has 512 MiB of free memory, and 1024 are wanted']);
  reason = undefined;
  t.mock.timers.tick(5_000);
  assert.equal((await asked).id, 'a');
});

test('of two hosts with the same number of free slots, the one with more free memory is taken', async () => {
  const scheduler = new Scheduler(new Slots());
  const hosts = [
    worker('a', 1, { capacity: async () => ({ memory: 2_000, load: 0 }) }),
    worker('b', 1, { capacity: async () => ({ memory: 9_000, load: 0 }) }),
  ];
  assert.equal((await scheduler.acquire('1', () => hosts, ask())).id, 'b');
});

test('a host that is down does not delay builds for other hosts, and is named if there is no other', async () => {
  const scheduler = new Scheduler(new Slots());
  const down = worker('a', 9, { capacity: () => new Promise(() => {}) });
  const up = worker('b', 1, { capacity: async () => ({ memory: 100, load: 0 }) });
  assert.equal((await scheduler.acquire('1', () => [down, up], ask())).id, 'b');
  const reasons: string[] = [];
  const signal = new AbortController();
  const asked = scheduler.acquire('2', () => [down, up], {
    ...ask(signal.signal),
    onWait: (_, why) => reasons.push(why),
  });
  await waitFor('there is a reason', () => reasons.length > 0);
  assert.equal(reasons[0], 'worker a does not answer; worker b has 1 of 1 slots in use');
  signal.abort(new Error('enough'));
  await assert.rejects(asked, /enough/);
});

test('a host to avoid is taken only if there is no other', async () => {
  const scheduler = new Scheduler(new Slots());
  const hosts = [worker('a', 9), worker('b', 1)];
  const avoiding = { ...ask(), avoid: ({ id }: Worker) => id === 'a' };
  assert.equal((await scheduler.acquire('1', () => hosts, avoiding)).id, 'b');
  assert.equal((await scheduler.acquire('2', () => [hosts[0]!], avoiding)).id, 'a');
});

test('a host whose disk was full is the last choice for ten minutes', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  const scheduler = new Scheduler(new Slots());
  const hosts = [worker('a', 9), worker('b', 2)];
  const next = async (run: string, of = hosts) => (await scheduler.acquire(run, () => of, ask())).id;
  scheduler.noteFault(hosts[0], storageFull('Clone x', 'worker a'));
  assert.equal(await next('1'), 'b');
  assert.equal(await next('2', [hosts[0]!]), 'a', 'there is no other');
  t.mock.timers.setTime(1_000_000 + 9 * 60_000);
  assert.equal(await next('3'), 'b');
  t.mock.timers.setTime(1_000_000 + 10 * 60_000);
  assert.equal(await next('4'), 'a');
});

/** Makes a scheduler with two hosts, of which a has more slots; `next` returns the host of the next build. */
function twoHosts() {
  const scheduler = new Scheduler(new Slots());
  const hosts = [worker('a', 9), worker('b', 2)] as const;
  let run = 0;
  const next = async () => (await scheduler.acquire(`${++run}`, () => [...hosts], ask())).id;
  return { scheduler, hosts, next };
}

test('a faulty host is the last choice for ten minutes', async (t) => {
  t.mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  const { scheduler, hosts, next } = twoHosts();
  scheduler.noteFault(hosts[0], networkDown('worker a', 'default'));
  assert.equal(await next(), 'b');
  t.mock.timers.setTime(1_000_000 + 9 * 60_000);
  assert.equal(await next(), 'b');
  const third = next();
  await scheduler.release(hosts[1], '1');
  assert.equal(await third, 'b', 'it waited for the healthy one');
  await scheduler.release(hosts[1], '2');
  t.mock.timers.setTime(1_000_000 + 10 * 60_000);
  assert.equal(await next(), 'a');
});

test('a faulty host is used again once a guest boots there; a clone alone is not enough', async () => {
  const { scheduler, hosts, next } = twoHosts();
  scheduler.noteFault(hosts[0], libvirtDown('worker a', 'qemu:///system', 'no socket'));
  scheduler.noteClone(hosts[0]);
  assert.equal(await next(), 'b');
  scheduler.noteBoot(hosts[0]);
  assert.equal(await next(), 'a');
});

test('faults of the worker count, those of an image or a guest do not', async () => {
  const counts = async (fault: unknown): Promise<boolean> => {
    const { scheduler, hosts, next } = twoHosts();
    scheduler.noteFault(hosts[0], fault);
    return (await next()) === 'b';
  };
  const place = placeMissing('worker a', 'btrfs', '/ci');
  assert.ok(await counts(place));
  assert.ok(await counts(rulesFailed('worker a', 'no iptables')));
  for (const fault of [
    imageScriptFailed('base', 'init', 'ended with exit code 2', ''),
    imageFailedBefore(place, 20),
    bootFailed('vm', 'worker a', 'it has no address', ''),
    guestDied('vm', 'powered off', ''),
    guestVanished('worker a', 'vm'),
    undefined,
  ])
    assert.equal(await counts(fault), false, `${fault}`);
});

test('if all hosts are suspect, the one with the most free slots is taken', async () => {
  const { scheduler, hosts, next } = twoHosts();
  for (const host of hosts) scheduler.noteFault(host, networkDown(host.label, 'default'));
  assert.equal(await next(), 'a');
});

test('the reason for waiting also names suspect hosts', async () => {
  const scheduler = new Scheduler(new Slots());
  const hosts = [worker('a', 1), worker('b', 1)];
  scheduler.noteFault(hosts[0], networkDown('worker a', 'default'));
  await scheduler.acquire('1', () => hosts, ask());
  await assert.rejects(
    scheduler.acquire('2', () => hosts, ask(undefined, 30)),
    (error: CiError) => /worker b has 1 of 1 slots in use; worker a just caused a build to fail/.test(error.message),
  );
});

test('a suspect host is taken if every healthy one is down', async () => {
  const scheduler = new Scheduler(new Slots());
  const down = { ...worker('b', 1), capacity: async () => Promise.reject(new Error('worker b: no connection.')) };
  const hosts = [worker('a', 1), down as Worker];
  scheduler.noteFault(hosts[0], networkDown('worker a', 'default'));
  assert.equal((await scheduler.acquire('1', () => hosts, ask())).id, 'a');
});

test('a host that is added while a build waits is used', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const scheduler = new Scheduler(new Slots());
  const hosts = [worker('a', 1)];
  await scheduler.acquire('1', () => hosts, ask());
  const told: number[] = [];
  const asked = scheduler.acquire('2', () => hosts, {
    ...ask(undefined, 60_000),
    onWait: (position) => told.push(position),
  });
  await waitFor('it waits', () => told.length > 0);
  hosts.push(worker('b', 1));
  t.mock.timers.tick(5_000);
  assert.equal((await asked).id, 'b');
});
