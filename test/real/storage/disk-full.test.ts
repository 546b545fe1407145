import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdir, mkdtemp, readdir, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { DirectoryStorage } from '../../../lib/sandbox/worker/storage.ts';

const options = { signal: new AbortController().signal };

test('a clone that fills a real disk fails with DISK_FULL, is never used, and can be removed', async (t) => {
  const base = await mkdtemp(join(tmpdir(), 'recheck-full-'));
  const disk = join(base, 'disk');
  await mkdir(disk);
  execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', disk]);
  t.after(async () => {
    execFileSync('umount', [disk]);
    await rm(base, { recursive: true });
  });
  const source = join(base, 'source');
  await mkdir(source);
  await writeFile(join(source, 'data'), Buffer.alloc(2_000_000));
  const storage = new DirectoryStorage(disk);
  const image = { name: 'base', key: 'k', source: { kind: 'directory', path: source } as const, loginUser: 'ci' };
  const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 1 };
  await storage.make(image, options);
  const full = { code: 'storage/disk-full', result: 'DISK_FULL', message: /Clone c1 of image base: .*disk is full/ };
  await assert.rejects(storage.clone(image, 'c1', owner, options), full);
  assert.deepEqual(await storage.list(options), [{ name: 'c1', owner }]);
  await storage.remove('c1', options);
  assert.deepEqual(await readdir(join(disk, 'clones')), []);
  await writeFile(join(source, 'data'), Buffer.alloc(4_000_000));
  await assert.rejects(storage.make({ ...image, key: 'k2' }, options), { result: 'DISK_FULL' });
  assert.equal(await storage.has({ ...image, key: 'k2' }, options), false);
});
