import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { type ReplayPace, replayFile } from '../../lib/gerrit/replay.ts';
import { uploaded } from './events.ts';

let dir: string;
before(async () => {
  dir = await mkdtemp(join(tmpdir(), 'replay-'));
});
after(() => rm(dir, { recursive: true }));

const file = async (...lines: string[]): Promise<string> => {
  const path = join(dir, `${Math.random()}.json`);
  await writeFile(path, lines.join('\n'));
  return path;
};
const line = (number: number, eventCreatedOn?: number) =>
  JSON.stringify(uploaded({ change: { project: 'demo', number }, eventCreatedOn }));
const replay = async (path: string, pace: ReplayPace, signal = AbortSignal.timeout(10_000)) => {
  const numbers: number[] = [];
  const counts = await replayFile(path, { pace, signal }, (event) => void numbers.push(event.change!.number!));
  return { ...counts, numbers };
};

test('events are replayed in order, invalid lines are counted', async () => {
  const path = await file(line(1), 'rubbish', '', '[]', line(2), 'x'.repeat(2_000_000), line(3));
  assert.deepEqual(await replay(path, 'asap'), { events: 3, garbage: 3, numbers: [1, 2, 3] });
});

test('a pace in milliseconds is the time between two events', async () => {
  const path = await file(line(1), line(2), line(3));
  const start = performance.now();
  await replay(path, 40);
  const took = performance.now() - start;
  assert.ok(took >= 75 && took < 60_000, `${took} ms`);
});

test('the recorded pace keeps the intervals, and a negative one is none', async () => {
  const path = await file(line(1, 100), line(2, 101), line(3, 50), line(4));
  const start = performance.now();
  await replay(path, 'recorded');
  const took = performance.now() - start;
  assert.ok(took >= 990 && took < 40_000, `${took} ms`);
});

test('each event waits for the one before to be handled', async () => {
  const path = await file(line(1), line(2), line(3));
  let busy = 0;
  await replayFile(path, { pace: 'asap', signal: AbortSignal.timeout(10_000) }, async () => {
    assert.equal(++busy, 1);
    await new Promise((resolve) => setImmediate(resolve));
    busy--;
  });
});

test('an abort ends it in the middle of a wait', async () => {
  const path = await file(line(1, 0), line(2, 1_000_000_000));
  const stop = new AbortController();
  setTimeout(() => stop.abort(new Error('stopped')), 30);
  await assert.rejects(replay(path, 'recorded', stop.signal), (error: Error) => /stopped|abort/i.test(error.message));
});

test('a file that cannot be read is named', async () => {
  const path = join(dir, 'none.json');
  await assert.rejects(replay(path, 'asap'), (error: Error & { code: string }) => {
    assert.equal(error.code, 'gerrit/replay');
    assert.ok(error.message.includes(path));
    return true;
  });
  await assert.rejects(replay(dir, 'asap'), { code: 'gerrit/replay' });
});

test('an error of the handler is passed on unchanged', async () => {
  const path = await file(line(1));
  const replayed = replayFile(path, { pace: 'asap', signal: AbortSignal.timeout(10_000) }, () => {
    throw new Error('mine');
  });
  await assert.rejects(replayed, { message: 'mine' });
});
