import assert from 'node:assert/strict';
import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { writeFileAtomic, writeFileAtomicSync } from '../../lib/util/atomic-file.ts';

async function folder(t: TestContext): Promise<string> {
  const dir = await mkdtemp(join(tmpdir(), 'recheck-atomic-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

test('a file is replaced with the mode asked for, and no draft stays', async (t) => {
  const dir = await folder(t);
  const file = join(dir, 'state.json');
  await writeFileAtomic(file, 'one');
  assert.equal((await stat(file)).mode & 0o777, 0o600);
  writeFileAtomicSync(file, 'two', { mode: 0o640 });
  assert.equal((await stat(file)).mode & 0o777, 0o640);
  assert.equal(await readFile(file, 'utf8'), 'two');
  assert.deepEqual(await readdir(dir), ['state.json']);
});

test('many pieces, small and large, are written in order', async (t) => {
  const file = join(await folder(t), 'page.html');
  const pieces = Array.from({ length: 3000 }, (_, index) => `${index} ü€😀`.repeat(index % 40));
  await writeFileAtomic(
    file,
    (async function* () {
      yield* pieces;
    })(),
    { flush: false },
  );
  assert.equal(await readFile(file, 'utf8'), pieces.join(''));
});

test('a reader sees the old content until the new one is complete', async (t) => {
  const dir = await folder(t);
  const file = join(dir, 'page.html');
  await writeFile(file, 'old');
  const seen: string[] = [];
  await writeFileAtomic(
    file,
    (async function* () {
      yield 'n'.repeat(200_000);
      seen.push(await readFile(file, 'utf8'));
      for (const name of await readdir(dir)) if (name !== 'page.html') assert.match(name, /^\./);
    })(),
  );
  assert.deepEqual(seen, ['old']);
  assert.equal((await readFile(file, 'utf8')).length, 200_000);
});

test('if writing fails, the old content stays and the draft is removed', async (t) => {
  const dir = await folder(t);
  const file = join(dir, 'page.html');
  await writeFile(file, 'old');
  const broken = (function* () {
    yield 'new';
    throw new Error('the console was removed');
  })();
  await assert.rejects(writeFileAtomic(file, broken), /the console was removed/);
  assert.throws(() => writeFileAtomicSync(join(dir, 'missing', 'file'), 'new'), { code: 'ENOENT' });
  assert.equal(await readFile(file, 'utf8'), 'old');
  assert.deepEqual(await readdir(dir), ['page.html']);
});

test('two writers of one file do not disturb each other', async (t) => {
  const dir = await folder(t);
  const file = join(dir, 'state.json');
  const texts = ['a', 'b', 'c'].map((letter) => letter.repeat(300_000));
  await Promise.all(texts.map((text) => writeFileAtomic(file, text)));
  assert.ok(texts.includes(await readFile(file, 'utf8')));
  assert.deepEqual(await readdir(dir), ['state.json']);
});
