import assert from 'node:assert/strict';
import { test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { LineBatcher } from '../../../lib/builds/steps/line-batcher.ts';

test('sends whole lines, and the rest at the end', () => {
  const batches: string[][] = [];
  const lines = new LineBatcher((batch) => batches.push(batch));
  lines.write(Buffer.from('one\ntw'));
  lines.write(Buffer.from('o\nthree'));
  lines.flush();
  assert.deepEqual(batches.flat(), ['one', 'two', 'three']);
});

test('output is limited to ten batches of 64 KiB per second, and dropped lines are counted', async () => {
  let sent = 0;
  let batches = 0;
  let dropped = 0;
  const lines = new LineBatcher((batch, left) => {
    batches += 1;
    sent += batch.length;
    dropped += left;
    assert.ok(batch.join('\n').length <= 64 * 1024);
  });
  const chunk = Buffer.from(`${'x'.repeat(99)}\n`.repeat(320));
  const started = Date.now();
  let written = 0;
  while (Date.now() - started < 350) {
    for (let i = 0; i < 50; i++) {
      lines.write(chunk);
      written += 320;
    }
    await sleep(5);
  }
  lines.flush();
  assert.ok(batches <= 6, `${batches} batches in 0.35 s`);
  assert.ok(sent <= 6 * 656);
  // A line that is cut may be counted twice or not at all.
  assert.ok(Math.abs(sent + dropped - written) <= batches * 2, `${sent} + ${dropped} of ${written}`);
});

test('an endless line does not use more and more memory', () => {
  const batches: string[][] = [];
  const lines = new LineBatcher((batch) => batches.push(batch));
  for (let i = 0; i < 100; i++) lines.write(Buffer.alloc(32 * 1024, 'y'));
  lines.flush();
  assert.ok(batches.flat().join('').length <= 2 * 64 * 1024 + 100);
});

test('masks secrets in the lines', () => {
  const batches: string[][] = [];
  const lines = new LineBatcher(
    (batch) => batches.push(batch),
    (line) => line.replaceAll('s3cret', '***'),
  );
  lines.write(Buffer.from('pass s3cr'));
  lines.write(Buffer.from('et ä\n'));
  lines.flush();
  assert.deepEqual(batches.flat(), ['pass *** ä']);
});
