import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type StreamHealth, StreamPool, type StreamSubscriber } from '../../lib/gerrit/stream.ts';
import type { GerritEvent } from '../../lib/gerrit/types.ts';
import { type FakeAnswer, FakeHost, FakeLink } from '../support/fake-link.ts';
import { waitFor } from '../support/wait.ts';
import { refUpdated, uploaded } from './events.ts';

type Answer = (argv: readonly string[]) => FakeAnswer;
const normal: Answer = (argv) => (argv[1] === 'stream-events' ? 'stream' : {});
const event = (number: number) => `${JSON.stringify(uploaded({ change: { project: 'demo', number } }))}\n`;

/** Returns a subscriber that records its calls. */
function recorder() {
  const heard = {
    numbers: [] as (number | undefined)[],
    garbage: [] as string[],
    health: [] as StreamHealth[],
    dropped: 0,
  };
  const subscriber: StreamSubscriber = {
    onEvent: (one: GerritEvent) => void heard.numbers.push(one.change?.number),
    onGarbage: (line) => void heard.garbage.push(line),
    onHealth: (health) => void heard.health.push(health),
    onDropped: () => {
      heard.dropped++;
    },
  };
  return { ...{ subscriber }, heard, state: () => heard.health.at(-1)?.state };
}

/** Returns a pool and a link whose hosts answer as specified, by their number. */
function setUp(
  answer: (index: number) => Answer = () => normal,
  times: ConstructorParameters<typeof StreamPool>[0] = {},
) {
  const link = new FakeLink((index) => new FakeHost(answer(index)));
  const pool = new StreamPool(times);
  const stream = (host = 0, index = 0) =>
    waitFor('a stream was started', () => link.hosts[host]?.streams[index], 60_000);
  return { link, pool, stream };
}

test('events of the requested types arrive', async (t) => {
  const { link, pool, stream } = setUp();
  t.after(() => pool.close());
  const { subscriber, heard, state } = recorder();
  pool.attach(link, 'n', ['patchset-created', 'comment-added', 'patchset-created'], subscriber);
  const { argv, stdout } = await stream();
  assert.deepEqual(argv, ['gerrit', 'stream-events', '-s', 'comment-added', '-s', 'patchset-created']);
  stdout.write(event(1).slice(0, 20));
  stdout.write(event(1).slice(20) + event(2));
  await waitFor('both came', () => heard.numbers.length === 2);
  assert.deepEqual(heard.numbers, [1, 2]);
  assert.equal(state(), 'up');
});

test('a silent stream is up after a moment', async (t) => {
  const { link, pool, stream } = setUp();
  t.after(() => pool.close());
  const { subscriber, heard, state } = recorder();
  pool.attach(link, 'n', ['patchset-created'], subscriber);
  await stream();
  assert.equal(state(), 'connecting');
  await waitFor('it is up', () => state() === 'up');
  assert.deepEqual(
    heard.health.map((health) => health.state),
    ['connecting', 'up'],
  );
});

test('invalid lines are reported and never fatal; refs of changes are dropped', async (t) => {
  const { link, pool, stream } = setUp();
  t.after(() => pool.close());
  const { subscriber, heard } = recorder();
  pool.attach(link, 'n', ['patchset-created', 'ref-updated'], subscriber);
  const { stdout } = await stream();
  stdout.write('rubbish\n[1,2]\n42\n\n');
  stdout.write(`${'x'.repeat(2_000_000)}\n`);
  stdout.write(`${JSON.stringify(refUpdated('refs/changes/01/1/meta'))}\n{"type":"brand-new"}\n`);
  stdout.write(event(1));
  await waitFor('the event came', () => heard.numbers.includes(1));
  assert.deepEqual(heard.numbers, [undefined, 1]);
  assert.deepEqual(heard.garbage, ['rubbish', '[1,2]', '42', '(a line of more than 1 MiB)']);
});

test('a channel that ends is reopened', async (t) => {
  const { link, pool, stream } = setUp();
  t.after(() => pool.close());
  const { subscriber, heard, state } = recorder();
  pool.attach(link, 'n', ['patchset-created'], subscriber);
  const first = await stream();
  first.stdout.write(event(1));
  await waitFor('the event came', () => heard.numbers.length === 1);
  first.stderr.write('shutting down');
  first.end({ code: 0 });
  await waitFor('it is down', () => state() === 'down');
  const down = heard.health.at(-1);
  assert.match(down?.error?.message ?? '', /gerrit test: the event stream ended; it said: shutting down/);
  assert.ok(down!.retryAt! > Date.now() && down!.retryAt! < Date.now() + 1000);
  (await stream(0, 1)).stdout.write(event(2));
  await waitFor('the second came', () => heard.numbers.length === 2);
  assert.equal(state(), 'up');
});

test('an account that may not stream gets the missing permission named, and is retried slowly', async (t) => {
  const refused: Answer = () => ({ code: 1, stderr: 'stream events not permitted\n' });
  const { link, pool } = setUp(() => refused);
  t.after(() => pool.close());
  const { subscriber, heard, state } = recorder();
  pool.attach(link, 'n', ['patchset-created'], subscriber);
  await waitFor('it is down', () => state() === 'down');
  const { error, retryAt } = heard.health.at(-1)!;
  assert.match(error!.message, /acme-ci .*"Stream Events".*"Service Users"/);
  assert.ok(retryAt! > Date.now() + 50_000);
  assert.ok(!heard.health.some((health) => health.state === 'up'));
});

test('a silent stream is probed, and reopened if its server is gone', async (t) => {
  let versions = 0;
  const dying: Answer = (argv) => {
    if (argv[1] === 'stream-events') return 'stream';
    return ++versions <= 2 ? { stdout: 'gerrit version 3\n' } : 'hang';
  };
  const { link, pool, stream } = setUp((index) => (index === 0 ? dying : normal), { quiet: 60, probe: 40 });
  t.after(() => pool.close());
  const { subscriber, heard, state } = recorder();
  pool.attach(link, 'n', ['patchset-created'], subscriber);
  await stream();
  await waitFor('it was cut', () => link.hosts[0]!.gone.aborted);
  assert.equal(versions, 3);
  assert.ok(heard.health.some(({ error }) => /is silent/.test(error?.message ?? '')));
  (await stream(1)).stdout.write(event(5));
  await waitFor('the new one works', () => heard.numbers.includes(5));
  assert.equal(state(), 'up');
});

test('an active stream is not probed', async (t) => {
  const { link, pool, stream } = setUp(() => normal, { quiet: 150, probe: 40 });
  t.after(() => pool.close());
  const { subscriber, heard } = recorder();
  pool.attach(link, 'n', ['patchset-created'], subscriber);
  const { stdout } = await stream();
  for (let i = 0; i < 12; i++) {
    stdout.write(event(i));
    await waitFor('it came', () => heard.numbers.length > i);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  assert.ok(!link.hosts[0]!.commands.some(({ argv }) => argv[1] === 'version'));
});

test('a subscriber that returns within the grace period finds the stream and what it missed', async (t) => {
  const { link, pool, stream } = setUp(() => normal, { grace: 2_000 });
  t.after(() => pool.close());
  const before = recorder();
  const detach = pool.attach(link, 'n', ['patchset-created'], before.subscriber);
  const { stdout } = await stream();
  stdout.write(event(1));
  await waitFor('it came', () => before.heard.numbers.length === 1);
  detach();
  detach();
  for (let i = 2; i <= 1500; i++) stdout.write(event(i));
  await new Promise((resolve) => setTimeout(resolve, 50));
  // A redeploy makes a new link to the same target.
  const again = new FakeLink(() => link.hosts[0]!);
  const after = recorder();
  pool.attach(again, 'n', ['patchset-created'], after.subscriber);
  assert.equal(after.heard.numbers.length, 1000);
  assert.equal(after.heard.numbers.at(-1), 1500);
  assert.equal(after.state(), 'up');
  stdout.write(event(1501));
  await waitFor('new ones come too', () => after.heard.numbers.includes(1501));
  assert.equal(link.hosts[0]!.streams.length, 1);
  assert.equal(before.heard.numbers.length, 1);
  assert.equal(link.listeners, 0);
});

test('without subscribers the channel is closed after the grace period', async (t) => {
  const { link, pool, stream } = setUp(() => normal, { grace: 30 });
  t.after(() => pool.close());
  const detach = pool.attach(link, 'n', ['patchset-created'], recorder().subscriber);
  const command = await stream();
  detach();
  await waitFor('it was closed', () => command.closed);
});

test('a failing subscriber does not affect the others', async (t) => {
  const { link, pool, stream } = setUp();
  t.after(() => pool.close());
  const bad = recorder();
  const good = recorder();
  const failing = { ...bad.subscriber, onEvent: () => assert.fail('boom') };
  pool.attach(link, 'n', ['patchset-created'], failing);
  pool.attach(link, 'n', ['patchset-created'], good.subscriber);
  (await stream()).stdout.write(event(1));
  await waitFor('it came', () => good.heard.numbers.length === 1);
  assert.deepEqual(bad.heard.garbage, ['(a subscriber failed: boom)']);
  assert.equal(link.hosts[0]!.streams.length, 1);
});

test("the link's own trouble is shown while it is down", async (t) => {
  const { link, pool, stream } = setUp();
  t.after(() => pool.close());
  const { subscriber, heard, state } = recorder();
  pool.attach(link, 'n', ['patchset-created'], subscriber);
  await stream();
  await waitFor('it is up', () => state() === 'up');
  const error = new Error('key refused');
  link.setHealth({ state: 'down', error, retryAt: 5 });
  assert.deepEqual(heard.health.at(-1), { state: 'down', error, retryAt: 5 });
});

test('dropped output is reported, and lost events are recovered', async (t) => {
  const created = Math.floor(Date.now() / 1000);
  const row = { project: 'demo', number: 77, currentPatchSet: { number: 1, createdOn: created } };
  const answer: Answer = (argv) => {
    if (argv[1] === 'query') return { stdout: `${JSON.stringify(row)}\n{"type":"stats"}\n` };
    return normal(argv);
  };
  const { link, pool, stream } = setUp(() => answer);
  t.after(() => pool.close());
  const { subscriber, heard } = recorder();
  pool.attach(link, 'n', ['patchset-created'], subscriber, { catchUp: { projects: ['demo'] } });
  const { stdout } = await stream();
  stdout.write(event(1));
  stdout.write('{"type":"dropped-output","eventCreatedOn":1}\n');
  await waitFor('the lost one came', () => heard.numbers.includes(77));
  assert.equal(heard.dropped, 1);
  assert.deepEqual(heard.numbers, [1, 77]);
  const query = link.hosts[0]!.commands.find(({ argv }) => argv[1] === 'query');
  assert.deepEqual(query?.argv.slice(0, 5), ['gerrit', 'query', '--format=JSON', '--current-patch-set', '--comments']);
});

test('a first stream does not query the past, a second one does', async (t) => {
  const { link, pool, stream } = setUp();
  t.after(() => pool.close());
  const { subscriber, state } = recorder();
  pool.attach(link, 'n', ['patchset-created'], subscriber, { catchUp: { projects: ['demo'] } });
  const first = await stream();
  await waitFor('it is up', () => state() === 'up');
  const queries = () => link.hosts.flatMap((host) => host.commands).filter(({ argv }) => argv[1] === 'query').length;
  assert.equal(queries(), 0);
  first.end({ code: 0 });
  await stream(0, 1);
  await waitFor('it asked', () => queries() === 1);
});
