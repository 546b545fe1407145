import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { Records } from '../../../lib/sandbox/worker/records.ts';

const folder = await mkdtemp(join(tmpdir(), 'recheck-records-'));
after(() => rm(folder, { recursive: true }));

test('a record is read and listed until it is removed', async () => {
  const records = new Records<{ n: number }>(join(folder, 'a'));
  assert.deepEqual(await records.list(), []);
  await records.write('two', { n: 2 });
  await records.write('one', { n: 0 });
  await records.write('one', { n: 1 });
  assert.deepEqual(await records.read('one'), { n: 1 });
  assert.deepEqual(await records.list(), [
    { name: 'one', value: { n: 1 } },
    { name: 'two', value: { n: 2 } },
  ]);
  await records.remove('one');
  await records.remove('one');
  assert.equal(await records.read('one'), undefined);
  assert.deepEqual(
    (await records.list()).map((record) => record.name),
    ['two'],
  );
});

test('drafts left by a crash and files that are not JSON are not listed', async () => {
  const records = new Records<{ n: number }>(join(folder, 'b'));
  await records.write('good', { n: 1 });
  await writeFile(join(folder, 'b', '.half.json'), '{"n":');
  await writeFile(join(folder, 'b', 'broken.json'), '{"n":');
  assert.deepEqual(
    (await records.list()).map((record) => record.name),
    ['good'],
  );
});
