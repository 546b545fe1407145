import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { ConsoleWriter } from '../../lib/logs/console.ts';
import { ConsoleSource } from '../../lib/logs/console-source.ts';
import { scratch } from './help.ts';

test('two guests that write at once keep their lines whole, named and masked', async (t) => {
  const file = join(await scratch(t), 'console.log');
  const console = await ConsoleWriter.open(file);
  console.mask(['hunter2']);
  const master = new ConsoleSource(console, 'master');
  const slave = new ConsoleSource(console, 'slave');
  master.write(Buffer.from('one\npass hun'));
  slave.write(Buffer.from('pass hunt'));
  master.write(Buffer.from('ter2\ntwo'));
  slave.write(Buffer.from('er2\nzwölf'));
  master.end();
  slave.end();
  slave.end();
  await console.close();
  const lines = (await readFile(file, 'utf8')).trimEnd().split('\n');
  assert.deepEqual(
    lines.map((line) => line.slice(26)),
    ['master | one', 'master | pass ***', 'slave | pass ***', 'master | two', 'slave | zwölf'],
  );
});

test('an endless line is split and takes little memory', async (t) => {
  const file = join(await scratch(t), 'console.log');
  const console = await ConsoleWriter.open(file);
  const source = new ConsoleSource(console, 'vm');
  for (let n = 0; n < 100; n++) await source.write(Buffer.alloc(10_000, 'x'));
  source.end();
  await console.close();
  const lines = (await readFile(file, 'latin1')).trimEnd().split('\n');
  assert.ok(lines.length > 10 && lines.every((line) => line.length < 40_000));
  assert.equal(lines.join('').replace(/[^x]/g, '').length, 1_000_000);
});
