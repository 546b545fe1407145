import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commentText } from '../../../lib/gerrit/comment.ts';
import { CatchUp } from '../../../lib/gerrit/stream/catch-up.ts';
import type { GerritEvent } from '../../../lib/gerrit/types.ts';
import { FakeHost } from '../../support/fake-link.ts';
import { commented, uploaded } from '../events.ts';

/** The server's clock in seconds; ours is an hour ahead. */
const T = 1_795_364_000;
const ours = (seconds: number) => (T + 3600 + seconds) * 1000;
const TYPES = ['patchset-created', 'comment-added'];

interface Row {
  number: number;
  patchset?: number;
  createdOn: number;
  /** Time, author, words: `ui` for those that stand with the patchset. */
  comments?: [at: number, who: string, text: string, style?: 'ui' | 'inline'][];
}
const rowOf = ({ number, patchset = 2, createdOn, comments = [] }: Row) => ({
  project: 'demo',
  branch: 'master',
  number,
  open: true,
  comments: comments.map(([at, who, text, style]) => ({
    timestamp: T + at,
    reviewer: { username: who },
    message: `Patch Set ${patchset}:\n\n${style === undefined ? text : '(1 comment)'}`,
  })),
  currentPatchSet: {
    number: patchset,
    revision: 'abc',
    ref: `refs/changes/01/${number}/${patchset}`,
    createdOn: T + createdOn,
    comments: comments
      .filter(([, , , style]) => style !== undefined)
      .map(([, who, message, style]) => ({
        file: style === 'ui' ? '/PATCHSET_LEVEL' : 'a.txt',
        reviewer: { username: who },
        message,
      })),
  },
});

async function missed(catchUp: CatchUp, at: number, rows: Row[], types = TYPES, projects = ['demo']) {
  const stdout = [...rows.map(rowOf), { type: 'stats' }].map((row) => JSON.stringify(row)).join('\n');
  const host = new FakeHost(() => ({ stdout }));
  const signal = AbortSignal.timeout(10_000);
  const events = await catchUp.missed(host, { projects, types, signal }, ours(at));
  return { events, queries: host.commands.map(({ argv }) => argv.at(-1)!) };
}
const words = (events: GerritEvent[]) =>
  events.map((event) =>
    event.type === 'comment-added' ? `${event.author?.username}: ${commentText(event)}` : `ps ${event.change?.number}`,
  );
const seen = (catchUp: CatchUp, event: GerritEvent, at: number) =>
  catchUp.note({ ...event, eventCreatedOn: T + at }, ours(at));
const change = (number: number) => ({ change: { project: 'demo', number } });

test('events missed while it was down are returned, oldest first; earlier ones are not', async () => {
  const catchUp = new CatchUp(ours(0));
  seen(catchUp, uploaded(change(1)), 100);
  catchUp.lost();
  const { events, queries } = await missed(catchUp, 300, [
    { number: 3, createdOn: 250, comments: [[280, 'ann', 'recheck']] },
    {
      number: 1,
      createdOn: 99,
      comments: [
        [50, 'bob', 'recheck'],
        [200, 'bob', 'recheck', 'ui'],
      ],
    },
    { number: 2, createdOn: -5000, comments: [[210, 'ann', 'nice']] },
  ]);
  assert.deepEqual(words(events), ['bob: recheck', 'ann: nice', 'ps 3', 'ann: recheck']);
  assert.deepEqual(queries, ['status:open (project:"demo") -age:260s limit:100']);
  const [comment] = events;
  assert.equal(comment?.change?.project, 'demo');
  assert.equal(comment?.patchSet?.ref, 'refs/changes/01/1/2');
  assert.equal(comment?.eventCreatedOn, T + 200);
});

test('events of the stream are not returned again, although their times differ by a second or two', async () => {
  const catchUp = new CatchUp(ours(0));
  seen(catchUp, uploaded(change(1)), 100);
  seen(catchUp, commented('Patch Set 2:\n\nrecheck', { ...change(1), author: { username: 'ann' } }), 101);
  catchUp.lost();
  const rows: Row[] = [{ number: 1, createdOn: 99, comments: [[99, 'ann', 'recheck', 'ui']] }];
  assert.deepEqual((await missed(catchUp, 130, rows)).events, []);
});

test('the same text again, later, is another comment', async () => {
  const catchUp = new CatchUp(ours(0));
  seen(catchUp, commented('Patch Set 2:\n\nrecheck', { ...change(1), author: { username: 'ann' } }), 100);
  catchUp.lost();
  const comments: Row['comments'] = [
    [100, 'ann', 'recheck', 'ui'],
    [180, 'ann', 'recheck', 'ui'],
  ];
  const { events } = await missed(catchUp, 200, [{ number: 1, createdOn: -500, comments }]);
  assert.deepEqual(
    events.map(({ eventCreatedOn }) => eventCreatedOn),
    [T + 180],
  );
});

test('an event is returned once, even if it is queried again or arrives late on the stream', async () => {
  const catchUp = new CatchUp(ours(0));
  seen(catchUp, uploaded(change(9)), 100);
  catchUp.lost();
  const rows: Row[] = [{ number: 1, createdOn: 150, comments: [[160, 'ann', 'recheck']] }];
  assert.equal((await missed(catchUp, 200, rows)).events.length, 2);
  catchUp.lost();
  assert.deepEqual((await missed(catchUp, 210, rows)).events, []);
  assert.equal(seen(catchUp, uploaded(change(1)), 150), false);
  const late = commented('Patch Set 2:\n\nrecheck', { ...change(1), author: { username: 'ann' } });
  assert.equal(seen(catchUp, late, 161), false);
  assert.equal(seen(catchUp, late, 400), true, 'a new one with the same words is news');
});

test('the newest UI comments of a person are matched with the newest messages of that person', async () => {
  const catchUp = new CatchUp(ours(0));
  seen(catchUp, uploaded(change(9)), 100);
  catchUp.lost();
  const comments: Row['comments'] = [
    [10, 'ann', 'old words', 'ui'],
    [20, 'bob', 'recheck', 'ui'],
    [150, 'ann', 'recheck', 'ui'],
    [160, 'bob', 'looks fine', 'ui'],
  ];
  const { events } = await missed(catchUp, 200, [{ number: 1, createdOn: 0, comments }]);
  assert.deepEqual(words(events), ['ann: recheck', 'bob: looks fine']);
});

test('an inline comment alone has no text', async () => {
  const catchUp = new CatchUp(ours(0));
  catchUp.lost();
  const comments: Row['comments'] = [[3700, 'ann', 'nit', 'inline']];
  const { events } = await missed(catchUp, 10, [{ number: 1, createdOn: -9999, comments }]);
  assert.deepEqual(words(events), ['ann: ']);
});

test('the gap grows until it is filled, and silence that was probed is not a gap', async () => {
  const catchUp = new CatchUp(ours(0));
  seen(catchUp, uploaded(change(9)), 100);
  catchUp.alive(ours(1000));
  catchUp.lost();
  seen(catchUp, uploaded(change(8)), 1500);
  catchUp.alive(ours(1600));
  const { events, queries } = await missed(catchUp, 2000, [
    { number: 1, createdOn: 500 },
    { number: 2, createdOn: 1100 },
    { number: 8, createdOn: 1500 },
  ]);
  assert.deepEqual(words(events), ['ps 2']);
  assert.match(queries[0]!, /-age:1060s /);
  catchUp.lost();
  assert.match((await missed(catchUp, 2100, [])).queries[0]!, /-age:160s /);
});

test('only types of the stream are returned, and without projects nothing is queried', async () => {
  const rows: Row[] = [{ number: 1, createdOn: 3700, comments: [[3700, 'ann', 'recheck']] }];
  const told = async (types: string[], projects?: string[]) => {
    const catchUp = new CatchUp(ours(0));
    catchUp.lost();
    const { events, queries } = await missed(catchUp, 10, rows, types, projects);
    return [...words(events), queries.length];
  };
  assert.deepEqual(await told(['patchset-created']), ['ps 1', 1]);
  assert.deepEqual(await told(['comment-added']), ['ann: recheck', 1]);
  assert.deepEqual(await told(['ref-updated']), [0]);
  assert.deepEqual(await told(TYPES, []), [0]);
});

test('remembered events are bounded', async () => {
  const catchUp = new CatchUp(ours(0));
  for (let number = 1; number <= 6000; number++) seen(catchUp, uploaded(change(number)), 100);
  catchUp.lost();
  const { events } = await missed(catchUp, 110, [
    { number: 1, createdOn: 100 },
    { number: 6000, createdOn: 100 },
  ]);
  assert.deepEqual(words(events), ['ps 1']);
});

test('a query that fails leaves the gap open', async () => {
  const catchUp = new CatchUp(ours(0));
  seen(catchUp, uploaded(change(9)), 100);
  catchUp.lost();
  const broken = new FakeHost(() => ({ code: 1, stderr: 'fatal' }));
  const request = { projects: ['demo'], types: TYPES, signal: AbortSignal.timeout(10_000) };
  await assert.rejects(catchUp.missed(broken, request, ours(200)), { retryable: true });
  assert.deepEqual(words((await missed(catchUp, 300, [{ number: 1, createdOn: 150 }])).events), ['ps 1']);
});
