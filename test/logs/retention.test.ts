import assert from 'node:assert/strict';
import { mkdir, readdir, symlink, utimes, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { sweep } from '../../lib/logs/retention.ts';
import { scratch } from './help.ts';

const never = new AbortController().signal;
const DAY = 24 * 3600 * 1000;
const ago = (days: number): string => new Date(Date.now() - days * DAY).toISOString();

async function putBuild(root: string, path: string, days: number | undefined, bytes = 1000): Promise<string> {
  const dir = join(root, path);
  await mkdir(join(dir, 'logs'), { recursive: true });
  await writeFile(join(dir, 'logs', 'big.log'), Buffer.alloc(bytes));
  const ended = days === undefined ? {} : { endedAt: ago(days) };
  await writeFile(join(dir, 'build.json'), JSON.stringify({ build: { id: 'x' }, ...ended }));
  return dir;
}

const left = async (root: string): Promise<string[]> =>
  (await readdir(root, { recursive: true }))
    .filter((path) => path.endsWith('build.json'))
    .map((path) => path.split('/').at(-2)!)
    .sort();

test('builds older than the limit are removed, with folders that become empty', async (t) => {
  const root = await scratch(t);
  await putBuild(root, '1/1/check/unit/old', 11);
  await putBuild(root, '2/1/check/unit/old2', 12);
  await putBuild(root, '2/1/check/unit/new', 9);
  assert.equal((await sweep(root, { days: 10, keep: new Set() }, never)).removed, 2);
  assert.deepEqual(await left(root), ['new']);
  assert.deepEqual(await readdir(root), ['2']);
});

test('the oldest builds are removed until the rest fits', async (t) => {
  const root = await scratch(t);
  for (const days of [1, 2, 3, 4]) await putBuild(root, `${days}/1/check/unit/b${days}`, days, 1_000_000);
  await sweep(root, { gigabytes: 0.0025, keep: new Set() }, never);
  assert.deepEqual(await left(root), ['b1', 'b2']);
});

test('a running build is kept whatever its age and size; one that a crash interrupted counts from its last write', async (t) => {
  const root = await scratch(t);
  const kept = await putBuild(root, '1/1/check/unit/kept', 99);
  await putBuild(root, '1/1/check/unit/fresh', undefined);
  const crashed = await putBuild(root, '1/1/check/unit/crashed', undefined);
  await utimes(join(crashed, 'build.json'), new Date(ago(20)), new Date(ago(20)));
  await sweep(root, { days: 10, keep: new Set([kept]) }, never);
  assert.deepEqual(await left(root), ['fresh', 'kept']);
});

test('other files and folders stay, and links are not followed', async (t) => {
  const root = await scratch(t);
  const outside = await scratch(t);
  const far = await putBuild(outside, 'far', 99);
  await symlink(outside, join(root, 'link'));
  const old = await putBuild(root, '1/1/check/unit/old', 99);
  await symlink(far, join(old, 'logs', 'link'));
  await mkdir(join(root, 'mine'));
  await writeFile(join(root, 'mine', 'build.json'), '{"name":"not a build of ours"}');
  await writeFile(join(root, '1', 'note.txt'), 'x');
  await sweep(root, { days: 1, gigabytes: 0, keep: new Set() }, never);
  assert.deepEqual((await readdir(root)).sort(), ['1', 'link', 'mine']);
  assert.deepEqual(await readdir(join(root, '1')), ['note.txt']);
  assert.deepEqual(await readdir(join(root, 'mine')), ['build.json']);
  assert.deepEqual(await left(outside), ['far']);
});

test('a build.json from a guest does not turn its folder into a build', async (t) => {
  const root = await scratch(t);
  const dir = await putBuild(root, '1/1/check/unit/new', 1);
  await writeFile(join(dir, 'logs', 'build.json'), JSON.stringify({ build: { id: 'y' }, endedAt: ago(99) }));
  assert.equal((await sweep(root, { days: 10, keep: new Set() }, never)).removed, 0);
});

test('without limits nothing is read; an abort stops it; a missing root is not an error', async (t) => {
  const root = await scratch(t);
  await putBuild(root, '1/1/check/unit/old', 99);
  assert.equal((await sweep(root, { keep: new Set() }, never)).removed, 0);
  await assert.rejects(sweep(root, { days: 1, keep: new Set() }, AbortSignal.abort(new Error('stop'))), /stop/);
  assert.deepEqual(await left(root), ['old']);
  assert.equal((await sweep(join(root, 'none'), { days: 1, keep: new Set() }, never)).removed, 0);
});
