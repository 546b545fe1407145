import assert from 'node:assert/strict';
import {
  access,
  chmod,
  lstat,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  readlink,
  rm,
  symlink,
  writeFile,
} from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { storageFault } from '../../../lib/errors/storage.ts';
import { DirectoryStorage } from '../../../lib/sandbox/worker/storage.ts';
import type { ImageSpec } from '../../../lib/worker/types.ts';

const options = { signal: new AbortController().signal };
const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 1 };
let base: string;
let source: string;
let root: string;
let storage: DirectoryStorage;
let image: ImageSpec;

beforeEach(async () => {
  base = await mkdtemp(join(tmpdir(), 'recheck-storage-'));
  source = join(base, 'source');
  root = join(base, 'root');
  await mkdir(join(source, 'sub'), { recursive: true });
  await writeFile(join(source, 'run.sh'), '#!/bin/sh\n', { mode: 0o755 });
  await writeFile(join(source, 'sub', 'data'), 'original');
  await symlink('../outside', join(source, 'sub', 'link'));
  storage = new DirectoryStorage(root);
  image = { name: 'base', key: 'k1', source: { kind: 'directory', path: source }, loginUser: 'ci' };
});
afterEach(() => rm(base, { recursive: true, force: true }));

test('an image is created once, and its clones are independent copies', async () => {
  assert.equal(await storage.has(image, options), false);
  const progress: string[] = [];
  const make = () => storage.make(image, { ...options, onProgress: (text) => progress.push(text) });
  await Promise.all([make(), make()]);
  assert.deepEqual(progress, ['copying']);
  assert.equal(await storage.has(image, options), true);
  assert.deepEqual(await readdir(join(root, 'images')), ['base@k1']);

  const clone = await storage.clone(image, 'c1', owner, options);
  assert.deepEqual(clone, { name: 'c1', path: join(root, 'clones', 'c1'), disks: [] });
  await writeFile(join(clone.path, 'sub', 'data'), 'changed');
  assert.equal(await readFile(join(root, 'images', 'base@k1', 'sub', 'data'), 'utf8'), 'original');
  assert.equal((await lstat(join(clone.path, 'run.sh'))).mode & 0o777, 0o755);
  assert.equal(await readlink(join(clone.path, 'sub', 'link')), '../outside');

  // A repeated call returns the existing clone unchanged.
  assert.deepEqual(await storage.clone(image, 'c1', owner, options), clone);
  assert.equal(await readFile(join(clone.path, 'sub', 'data'), 'utf8'), 'changed');
});

test('the clones of an empty image are empty', async () => {
  const empty: ImageSpec = { ...image, name: 'empty', source: { kind: 'empty' } };
  await storage.make(empty, options);
  const clone = await storage.clone(empty, 'c1', owner, options);
  assert.deepEqual(await readdir(clone.path), []);
});

test('an unfinished image is never used, and is created again', async () => {
  await mkdir(join(root, 'images', '.base@k1'), { recursive: true });
  await writeFile(join(root, 'images', '.base@k1', 'rubbish'), '');
  assert.equal(await storage.has(image, options), false);
  await assert.rejects(storage.clone(image, 'c1', owner, options), { code: 'storage/no-image' });
  await storage.make(image, options);
  assert.deepEqual((await readdir(join(root, 'images', 'base@k1'))).sort(), ['run.sh', 'sub']);
});

test('a clone that a crash left unfinished is listed, completed on request, and removed', async () => {
  await storage.make(image, options);
  await mkdir(join(root, 'clones', '.c1'), { recursive: true });
  await writeFile(join(root, 'clones', '.c1', 'rubbish'), '');
  await writeFile(join(root, 'clones', 'c1.json'), JSON.stringify(owner));
  assert.deepEqual(await storage.list(options), [{ name: 'c1', owner }]);
  const clone = await storage.clone(image, 'c1', owner, options);
  assert.deepEqual((await readdir(clone.path)).sort(), ['run.sh', 'sub']);
  await storage.remove('c1', options);
  await storage.remove('c1', options);
  assert.deepEqual(await storage.list(options), []);
  assert.deepEqual(await readdir(join(root, 'clones')), []);
});

test('a clone of another owner is refused', async () => {
  await storage.make(image, options);
  await storage.clone(image, 'c1', owner, options);
  for (const other of [{ attempt: 2 }, { controller: 'c2c2c2c2c2c2' }]) {
    await assert.rejects(storage.clone(image, 'c1', { ...owner, ...other }, options), {
      code: 'storage/foreign-clone',
      message: /belongs to build b1, attempt 1/,
    });
  }
});

test('removal succeeds for read-only files and folders, and follows no symbolic link', async () => {
  const outside = join(base, 'precious');
  await mkdir(outside);
  await writeFile(join(outside, 'file'), 'kept');
  await storage.make(image, options);
  const { path } = await storage.clone(image, 'c1', owner, options);
  await symlink(outside, join(path, 'trap'));
  await mkdir(join(path, 'locked', 'deep'), { recursive: true });
  await symlink(outside, join(path, 'locked', 'deep', 'trap'));
  await writeFile(join(path, 'locked', 'deep', 'file'), '', { mode: 0o400 });
  await chmod(join(path, 'locked', 'deep'), 0o500);
  await chmod(join(path, 'locked'), 0o000);
  await storage.remove('c1', options);
  await assert.rejects(access(path), { code: 'ENOENT' });
  assert.equal(await readFile(join(outside, 'file'), 'utf8'), 'kept');
  assert.equal((await lstat(outside)).mode & 0o777, 0o755 & ~process.umask());
});

test('a source that is missing or not a folder is an error with its path', async () => {
  const missing: ImageSpec = { ...image, source: { kind: 'directory', path: join(base, 'nothing') } };
  await assert.rejects(storage.make(missing, options), { code: 'storage/no-source', message: /nothing/ });
  const file: ImageSpec = { ...image, source: { kind: 'directory', path: join(source, 'run.sh') } };
  await assert.rejects(storage.make(file, options), { code: 'storage/source-not-a-folder' });
});

test('names that point outside the folder are refused before anything is changed', async () => {
  await assert.rejects(storage.remove('../root', options), { code: 'storage/bad-name' });
  await assert.rejects(storage.clone(image, 'a/b', owner, options), { code: 'storage/bad-name' });
  await assert.rejects(storage.make({ ...image, key: '../../x' }, options), { code: 'storage/bad-name' });
});

test('an abort stops copying with its reason, and the unfinished image is not used', async () => {
  for (let i = 0; i < 50; i++) await writeFile(join(source, `f${i}`), 'x');
  const abort = new AbortController();
  const made = storage.make(image, { signal: abort.signal, onProgress: () => abort.abort(new Error('superseded')) });
  await assert.rejects(made, /superseded/);
  assert.equal(await storage.has(image, options), false);
  await storage.make(image, options);
  assert.equal(await storage.has(image, options), true);
});

test('a full disk ends the build as DISK_FULL', () => {
  const error = storageFault('Clone c1', Object.assign(new Error('no space left on device'), { code: 'ENOSPC' }));
  assert.equal(error.result, 'DISK_FULL');
  assert.match(error.message, /Clone c1: the worker's disk is full/);
});
