import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { CiError } from '../../lib/errors/ci-error.ts';
import { ConsoleWriter } from '../../lib/logs/console.ts';
import { scratch } from './help.ts';

const STAMP = /^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d\.\d{3} \| /;

/** Returns the lines of a console without their stamps, which each must have. */
async function linesOf(file: string): Promise<string[]> {
  const text = await readFile(file, 'utf8');
  assert.ok(text.endsWith('\n'));
  return text
    .slice(0, -1)
    .split('\n')
    .map((line) => {
      assert.match(line, STAMP);
      return line.replace(STAMP, '');
    });
}

test('every line gets one time, however chunks split it', async (t) => {
  const file = join(await scratch(t), 'console.log');
  const text = 'first\nzwölf ✓ 漢字\n\n 10%\r 50%\r100%\r\nlast\n';
  const bytes = Buffer.from(text);
  for (let split = 0; split <= bytes.length; split++) {
    const console = await ConsoleWriter.open(`${file}.${split}`);
    await console.write(bytes.subarray(0, split));
    await console.write(bytes.subarray(split));
    assert.equal(console.lines, 5);
    await console.close();
    assert.deepEqual(await linesOf(`${file}.${split}`), text.slice(0, -1).split('\n'), `split at ${split}`);
  }
});

test('a line has the time of the chunk in which it began, in UTC', async (t) => {
  const file = join(await scratch(t), 'console.log');
  t.mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 10, 22, 15, 57, 1, 123) });
  const console = await ConsoleWriter.open(file);
  console.write(Buffer.from('one\ntw'));
  t.mock.timers.tick(2000);
  console.write(Buffer.from('o\nthree\n'));
  await console.close();
  assert.equal(
    await readFile(file, 'utf8'),
    '2026-11-22 15:57:01.123 | one\n2026-11-22 15:57:01.123 | two\n2026-11-22 15:57:03.123 | three\n',
  );
});

test('in a flood, lines without a time belong to the millisecond of the one above, and their text is unchanged', async (t) => {
  const file = join(await scratch(t), 'console.log');
  t.mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 10, 22, 15, 57, 1, 123) });
  const console = await ConsoleWriter.open(file);
  // Some lines look as if they had a time already; chunks end anywhere, at times between the bytes of one character.
  const wanted = Array.from({ length: 60_000 }, (_, n) =>
    n % 4999 === 0 ? `2014-02-11 12:34:56.789 | ✓ line ${n}` : `✓ line ${n} ${'x'.repeat(n % 40)}`,
  );
  const bytes = Buffer.from(`${wanted.join('\n')}\n`);
  const times: string[] = [];
  for (let at = 0, n = 0; at < bytes.length; n++) {
    if (n % 20 === 19) t.mock.timers.tick(7);
    const chunk = bytes.subarray(at, at + 1 + ((n * 7919) % 50_000));
    await console.write(chunk);
    at += chunk.length;
    while (times.length < console.lines) times.push(new Date().toISOString().slice(11, 23));
  }
  await console.close();
  assert.equal(console.lines, wanted.length);
  assert.ok(console.tail(3).every((line, n) => line === wanted.at(n - 3)));
  const lines = (await readFile(file, 'utf8')).slice(0, -1).split('\n');
  assert.deepEqual(
    lines.map((line) => line.replace(STAMP, '')),
    wanted,
  );
  let time = '';
  const shown = lines.map((line) => {
    if (STAMP.test(line)) time = line.slice(11, 23);
    return time;
  });
  assert.deepEqual(shown, times);
  const stamped = lines.filter((line) => STAMP.test(line)).length;
  assert.ok(stamped > 200 && stamped < lines.length / 4, `${stamped} lines have a time of their own`);
});

test('in ordinary output every line has its own time, however many arrive at once', async (t) => {
  const file = join(await scratch(t), 'console.log');
  t.mock.timers.enable({ apis: ['Date'], now: 0 });
  const console = await ConsoleWriter.open(file);
  const lines = Array.from({ length: 500 }, (_, n) => `line ${n} of a step`);
  console.write(Buffer.from(`${lines.join('\n')}\n`));
  await console.close();
  assert.deepEqual(await linesOf(file), lines);
});

test('binary output is unchanged', async (t) => {
  const file = join(await scratch(t), 'console.log');
  const bytes = Buffer.from(Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => byte !== 10));
  const console = await ConsoleWriter.open(file);
  console.write(bytes);
  await console.close();
  assert.deepEqual((await readFile(file)).subarray(26, -1), bytes);
});

test("Recheck's own lines are on separate lines, with the number announced before", async (t) => {
  const file = join(await scratch(t), 'console.log');
  const console = await ConsoleWriter.open(file);
  console.line('=== fetch');
  console.write(Buffer.from('half a line'));
  const number = console.lines + 1;
  console.line('=== test\r\nno second line');
  console.write(Buffer.from('more\n'));
  await console.close();
  const lines = await linesOf(file);
  assert.deepEqual(lines, ['=== fetch', 'half a line', '=== test no second line', 'more']);
  assert.equal(lines[number - 1], '=== test no second line');
  assert.equal(console.lines, 4);
});

test('reopening a console appends to it', async (t) => {
  const file = join(await scratch(t), 'console.log');
  for (const text of ['one\ntwo\n', 'three\n']) {
    const console = await ConsoleWriter.open(file);
    console.write(Buffer.from(text));
    await console.close();
    assert.equal(console.lines, text === 'three\n' ? 3 : 2);
  }
  assert.deepEqual(await linesOf(file), ['one', 'two', 'three']);
});

test('the tail is plain text in lines of bounded length, without what a progress bar overwrote', async (t) => {
  const console = await ConsoleWriter.open(join(await scratch(t), 'console.log'));
  for (let n = 0; n < 5000; n++) console.write(Buffer.from(`line ${n}\n`));
  console.write(Buffer.from('\x1b[31mröd\x1b[0m\x07\n 1%\r 50%\r100%\n'));
  console.write(Buffer.from(`${'x'.repeat(3000)}\nno end`));
  assert.deepEqual(console.tail(5), ['line 4999', 'röd', '100%', `${'x'.repeat(500)}…`, 'no end']);
  assert.deepEqual(console.tail(1), ['no end']);
  assert.ok(console.tail(1e6).length > 500, 'a bounded part of the past is kept');
  console.write(Buffer.from('y'.repeat(200_000)));
  assert.deepEqual(console.tail(3), [`…${'y'.repeat(500)}`]);
  await console.close();
});

test("secrets are masked across chunks, line by line, and in Recheck's own lines", async (t) => {
  const dir = await scratch(t);
  const text = 'a hunter2 b pässwörd c\nline-one\nx\nhunter2hunter2 hunt er2\n';
  const bytes = Buffer.from(text);
  for (let split = 0; split <= bytes.length; split++) {
    const file = join(dir, `${split}.log`);
    const console = await ConsoleWriter.open(file);
    console.mask(['hunter2', 'pässwörd', 'line-one\nx\nline-three\n', 'a']);
    console.write(bytes.subarray(0, split));
    console.write(bytes.subarray(split));
    console.line('it was line-three');
    await console.close();
    assert.deepEqual(
      await linesOf(file),
      ['a *** b *** c', '***', 'x', '****** hunt er2', 'it was ***'],
      `split at ${split}`,
    );
    assert.ok(!console.tail(9).join().includes('hunter2'));
  }
});

test('the longer of two secrets with the same beginning is masked completely, and part of a secret at the end is not shown', async (t) => {
  const file = join(await scratch(t), 'console.log');
  const console = await ConsoleWriter.open(file);
  console.mask(['abc', 'abcdef', 'xyzx']);
  for (const piece of ['1 abc', 'def 2 ab', 'c 3 xyz', 'x 4 abcd']) console.write(Buffer.from(piece));
  await console.close();
  assert.deepEqual(await linesOf(file), ['1 *** 2 *** 3 *** 4 ***']);
});

test('beyond the limit output is dropped and one line says so', async (t) => {
  const file = join(await scratch(t), 'console.log');
  const console = await ConsoleWriter.open(file, { limit: 10_000 });
  for (let n = 0; n < 1000; n++) console.write(Buffer.from(`line number ${n}\n`));
  console.line('=== next step');
  console.write(Buffer.from('dropped too\n'));
  await console.close();
  const lines = await linesOf(file);
  assert.equal(lines.at(-1), '=== next step');
  assert.match(lines.at(-2)!, /limit of .* GiB/);
  assert.equal(lines.filter((line) => line.includes('limit')).length, 1);
  assert.match(lines.at(-3)!, /^line number \d+$/);
  assert.equal(lines.length, console.lines);
  assert.ok((await readFile(file)).length < 10_500);
});

test('an endless line of 300 MB takes little memory, and back-pressure works', async (t) => {
  const file = join(await scratch(t), 'console.log');
  const console = await ConsoleWriter.open(file);
  const chunk = Buffer.alloc(64 << 10, 'z');
  // Two passes: the first one lets the heap grow as in any busy process.
  let before = 0;
  let waits = 0;
  for (let n = 0; n < 4800; n++) {
    if (n === 1600) before = process.memoryUsage().rss;
    const wait = console.write(chunk);
    if (wait !== undefined) {
      waits++;
      await wait;
    }
  }
  const grown = process.memoryUsage().rss - before;
  await console.close();
  assert.ok(waits > 0, 'a writer faster than the disk is told to wait');
  assert.ok(grown < 64 << 20, `memory grew by ${grown >> 20} MiB`);
  assert.equal((await readFile(file)).length, 4800 * chunk.length + 27);
});

test('on a full disk, writing and closing reject with DISK_FULL', async () => {
  const console = await ConsoleWriter.open('/dev/full');
  const diskFull = (error: unknown) =>
    error instanceof CiError && error.result === 'DISK_FULL' && /\/dev\/full/.test(error.message);
  console.line('lost');
  await console.flushed();
  await assert.rejects(async () => console.write(Buffer.from('more\n')), diskFull);
  console.line('lost too');
  await assert.rejects(console.saved(), diskFull);
  await assert.rejects(console.close(), diskFull);
});

test('a missing folder is an error', async (t) => {
  await assert.rejects(ConsoleWriter.open(join(await scratch(t), 'none', 'console.log')), /cannot be written/);
});
