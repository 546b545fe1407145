import assert from 'node:assert/strict';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { consolePage } from '../../../lib/logs/pages/console-page.ts';
import { scratch } from '../help.ts';

const STAMP = '2026-11-22 15:57:01.123 | ';

async function show(t: TestContext, text: string): Promise<string> {
  const file = join(await scratch(t), 'console.log');
  await writeFile(file, text);
  let page = '';
  for await (const piece of consolePage(file, { title: 'unit of 1234,2', running: false })) page += piece;
  return page;
}

const numbers = (page: string): number[] => [...page.matchAll(/<p id=L(\d+)/g)].map((match) => Number(match[1]));

test('each line has its number as a link, its time and its text', async (t) => {
  const page = await show(t, `${STAMP}one\n${STAMP}\x1b[31m<two>\x1b[0m\n${STAMP}\n`);
  assert.match(page, /<p id=L1><a href=#L1 data-t=15:57:01\.123>1<\/a>one\n/);
  assert.match(page, /<p id=L2><a href=#L2 data-t=15:57:01\.123>2<\/a><span class="f1">&lt;two&gt;<\/span>\n/);
  assert.deepEqual(numbers(page), [1, 2, 3]);
  assert.match(page, /href="console\.log"/);
});

test('a line of a flood has the time of the one above', async (t) => {
  const short = await show(t, `${STAMP}one\ntwo\n${STAMP.replace('123', '124')}three\nfour\n`);
  assert.deepEqual(
    [...short.matchAll(/data-t=([^>]+)>/g)].map((match) => match[1]),
    ['15:57:01.123', '15:57:01.123', '15:57:01.124', '15:57:01.124'],
  );
  // Where the end of a long console begins, the line with the time is not shown any more.
  const lines = Array.from({ length: 150_000 }, (_, n) => `${n % 200 === 0 ? STAMP : ''}line ${n + 1}\n`);
  const long = await show(t, lines.join(''));
  assert.equal(numbers(long).at(20_000), 70_001);
  const wide = await show(t, lines.map((line) => `${line.slice(0, -1)}${'y'.repeat(300)}\n`).join(''));
  for (const page of [long, wide]) assert.doesNotMatch(page, /data-t=->/);
});

test('a step’s heading resets the colors of the step before', async (t) => {
  const page = await show(t, `${STAMP}\x1b[31mred\n${STAMP}=== run its tests\n${STAMP}plain\n`);
  assert.match(page, /<p id=L2 class=own><a [^>]*>2<\/a>=== run its tests\n<p id=L3><a [^>]*>3<\/a>plain\n/);
});

test('the line that ends a step has the color of its result', async (t) => {
  const page = await show(
    t,
    `${STAMP}=== a: SUCCESS in 0.1 s\n${STAMP}=== b: FAILURE in 2 s\n${STAMP}c: FAILURE in 2 s\n`,
  );
  assert.match(page, /<p id=L1 class="own good">/);
  assert.match(page, /<p id=L2 class="own bad">/);
  assert.match(page, /<p id=L3>/);
});

test('a huge line is cut, with a note about the rest', async (t) => {
  const page = await show(t, `${STAMP}${'x'.repeat(3_000_000)}\n${STAMP}next\n`);
  assert.ok(page.length < 40_000);
  assert.match(page, /x <em>… 3\.0 MB more of this line in the raw log<\/em>/);
  assert.deepEqual(numbers(page), [1, 2]);
});

test('100 000 lines fit on one page; of more, the beginning and the end are shown with the right numbers', async (t) => {
  const lines = Array.from({ length: 150_000 }, (_, n) => `${STAMP}line ${n + 1}\n`);
  assert.equal(numbers(await show(t, lines.slice(0, 100_000).join(''))).length, 100_000);
  const page = await show(t, lines.join(''));
  const shown = numbers(page);
  assert.deepEqual([shown[0], shown[19_999], shown[20_000], shown.at(-1)], [1, 20_000, 70_001, 150_000]);
  assert.match(page, /<a href=#L70001 [^>]*>70001<\/a>line 70001\n/);
  assert.match(page, /Lines 20\u202f001 to 70\u202f000 are not shown/);
});

test('few but long lines keep the page small too', async (t) => {
  const line = `${STAMP}${'y'.repeat(7000)}`;
  const page = await show(t, Array.from({ length: 9000 }, () => `${line}\n`).join(''));
  assert.ok(page.length < 30e6);
  const shown = numbers(page);
  assert.deepEqual([shown[0], shown.at(-1)], [1, 9000]);
  assert.equal(new Set(shown).size, shown.length);
  const texts = [...page.matchAll(/data-t=[^>]*>\d+<\/a>(y+)\n/g)];
  assert.ok(
    texts.every((match) => match[1]!.length === 7000),
    'no line is shown without its beginning',
  );
});
