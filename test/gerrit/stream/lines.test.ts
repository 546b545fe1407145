import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LineSplitter } from '../../../lib/gerrit/stream/lines.ts';

function split(chunks: (string | Buffer)[], limit = 100): { lines: string[]; overlong: number } {
  const found = { lines: [] as string[], overlong: 0 };
  const splitter = new LineSplitter(
    limit,
    (line) => found.lines.push(line),
    () => found.overlong++,
  );
  for (const chunk of chunks) splitter.push(Buffer.from(chunk as string));
  splitter.end();
  return found;
}

test('lines are the same however the bytes arrive', () => {
  const text = 'one\ntwo ä€😀\n\nlast without an end';
  const whole = split([text]);
  assert.deepEqual(whole.lines, ['one', 'two ä€😀', 'last without an end']);
  const bytes = [...Buffer.from(text)].map((byte) => Buffer.from([byte]));
  assert.deepEqual(split(bytes), whole);
});

test('a line over the limit is skipped and counted, the ones around it are returned', () => {
  const { lines, overlong } = split([
    'before\n',
    'x'.repeat(60),
    'x'.repeat(60),
    'x\nafter\n',
    `${'y'.repeat(101)}\nend`,
  ]);
  assert.deepEqual(lines, ['before', 'after', 'end']);
  assert.equal(overlong, 2);
});

test('a line of exactly the limit is returned, whole or in pieces', () => {
  const line = 'z'.repeat(100);
  assert.deepEqual(split([`${line}\n`]).lines, [line]);
  assert.deepEqual(split([line.slice(0, 50), `${line.slice(50)}\n`]).lines, [line]);
});

test('an endless line takes no more memory than the limit', () => {
  const splitter = new LineSplitter(
    1024,
    () => assert.fail('no line'),
    () => {},
  );
  const chunk = Buffer.alloc(1024 * 1024, 'x');
  global.gc?.();
  const before = process.memoryUsage().arrayBuffers;
  for (let i = 0; i < 200; i++) splitter.push(chunk);
  assert.ok(process.memoryUsage().arrayBuffers - before < 10 * 1024 * 1024);
});
