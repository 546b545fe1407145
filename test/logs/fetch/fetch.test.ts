import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { open, readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CiError } from '../../../lib/errors/ci-error.ts';
import { fetchFiles } from '../../../lib/logs/fetch/fetch.ts';
import { Files } from '../../../lib/logs/fetch/files.ts';
import type { FetchLimits, FetchRow } from '../../../lib/logs/types.ts';
import { waitFor } from '../../support/wait.ts';
import { scratch } from '../help.ts';
import { FakeGuest, goodTar } from './fake-guest.ts';
import type { Tree } from './fake-sftp.ts';

/** Whether the guest has a tar. */
let hasTar = true;

/** Runs a test with and without a tar in the guest. */
const bothWays = (what: string, run: (t: TestContext) => Promise<void>): void => {
  for (const way of ['by tar', 'by SFTP']) {
    test(`${way}: ${what}`, (t) => {
      hasTar = way === 'by tar';
      return run(t);
    });
  }
};

const guestWith = (tree: Tree): FakeGuest => new FakeGuest(tree, hasTar ? goodTar(tree) : undefined);

async function fetchInto(t: TestContext, tree: Tree, rows: FetchRow[], limits: Partial<FetchLimits> = {}) {
  const root = await scratch(t);
  const guest = guestWith(tree);
  const options = { guest: 'vm', signal: new AbortController().signal, ...limits };
  const fetched = await fetchFiles(guest, rows, new Files(root), options);
  const names = (await readdir(root, { recursive: true, withFileTypes: true })).filter((entry) => entry.isFile());
  const paths = names.map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1)).sort();
  return { root, fetched, paths, guest };
}

const row = (remote: string, dir = 'logs'): FetchRow => ({ remote, dir });

bothWays('a file, a folder with its content, a glob, and a path in the home are fetched', async (t) => {
  const tree = {
    '/var/log/syslog': 'sys',
    '/var/log/nova/api.log': 'api',
    '/var/log/nova/old/api.log': 'old',
    '/opt/a.log': 'a',
    '/opt/b.log': 'b',
    '/opt/.hidden.log': 'h',
    '/opt/c.txt': 'c',
    '/home/ci/result.xml': '<r/>',
  };
  const rows = [
    row('/var/log/syslog'),
    row('/var/log/nova/', 'nova'),
    row('/opt/[ab]*.log', ''),
    row('~/result.xml', ''),
  ];
  const { root, fetched, paths } = await fetchInto(t, tree, rows);
  assert.deepEqual(paths, ['a.log', 'b.log', 'logs/syslog', 'nova/api.log', 'nova/old/api.log', 'result.xml']);
  assert.equal(await readFile(join(root, 'nova/old/api.log'), 'utf8'), 'old');
  assert.deepEqual(fetched, { files: 6, bytes: 3 + 3 + 3 + 1 + 1 + 4, missing: [] });
});

bothWays('what is missing is listed, and the rest is fetched', async (t) => {
  const rows = [row('/none'), row('/opt/*.xml'), row('/opt/a.log'), row('/nowhere/*')];
  const { fetched, paths } = await fetchInto(t, { '/opt/a.log': 'a' }, rows);
  assert.deepEqual(fetched.missing, ['/none', '/opt/*.xml', '/nowhere/*']);
  assert.deepEqual(paths, ['logs/a.log']);
});

bothWays('a large file arrives complete through short answers', async (t) => {
  const content = randomBytes(3_333_333);
  const { root } = await fetchInto(t, { '/big': content }, [row('/big')]);
  assert.ok((await readFile(join(root, 'logs/big'))).equals(content));
});

bothWays(
  'links are followed if the operator named them or if they lead to files next to them, but not out of the folder or in a circle',
  async (t) => {
    const tree = {
      '/logs': { to: '/data/run-7' },
      '/data/run-7/newest.log': { to: 'a.log' },
      '/data/run-7/a.log': 'a',
      '/data/run-7/out': { to: '/etc/shadow' },
      '/data/run-7/round': { to: '/data/run-7' },
      '/data/run-7/broken': { to: 'none' },
      '/data/run-77/b.log': 'b',
      '/data/run-7/neighbour': { to: '../run-77/b.log' },
      '/etc/shadow': 'secret',
    };
    const { paths } = await fetchInto(t, tree, [row('/logs')]);
    assert.deepEqual(paths, ['logs/a.log', 'logs/newest.log']);
  },
);

bothWays('hostile names stay distinct and below the folder, and devices are skipped', async (t) => {
  const tree = { '/x/a:b': '1', '/x/a?b': '2', '/x/.ssh/id': '3', '/x/pipe': { pipe: true } as const, '/x/-rf': '4' };
  const { root, paths } = await fetchInto(t, tree, [row('/x', '../../up')]);
  assert.deepEqual(paths, ['up/_rf', 'up/_ssh/id', 'up/a_b', 'up/a_b~2']);
  assert.equal(await readFile(join(root, 'up/a_b~2'), 'utf8'), '2');
});

bothWays('two guests with the same paths do not mix', async (t) => {
  const root = await scratch(t);
  const files = new Files(root);
  const { signal } = new AbortController();
  for (const guest of ['master', 'slave']) {
    const from = guestWith({ '/var/log/syslog': guest });
    await fetchFiles(from, [row('/var/log/syslog')], files, { guest, signal });
  }
  assert.equal(await readFile(join(root, 'logs/syslog'), 'utf8'), 'master');
  assert.equal(await readFile(join(root, 'logs-slave/syslog'), 'utf8'), 'slave');
});

bothWays('limits on files, bytes and depth apply, and the outcome says so', async (t) => {
  const many = Object.fromEntries(Array.from({ length: 50 }, (_, n) => [`/x/${n}`, 'x'.repeat(10)]));
  const files = await fetchInto(t, many, [row('/x')], { files: 20 });
  assert.equal(files.paths.length, 20);
  assert.match(files.fetched.cut!, /first 20 files/);
  const bytes = await fetchInto(t, many, [row('/x')], { bytes: 205 });
  assert.equal(bytes.paths.length, 20);
  assert.match(bytes.fetched.cut!, /205 B/);
  const deep = await fetchInto(t, { '/x/1/2/3/4/f': 'x', '/x/1/f': 'y' }, [row('/x')], { depth: 2 });
  assert.deepEqual(deep.paths, ['logs/1/f']);
  assert.match(deep.fetched.cut!, /deep/);
});

bothWays('a file with a size of 0 that has content, as in /proc, is read', async (t) => {
  const guest = guestWith({ '/proc/cpuinfo': 'cores: 2\n' });
  const root = await scratch(t);
  const { stat } = guest.files;
  guest.files.stat = (path, done) => stat(path, (error, value) => done(error, { ...(value as object), size: 0 }));
  await fetchFiles(guest, [row('/proc/cpuinfo')], new Files(root), {
    guest: 'vm',
    signal: new AbortController().signal,
  });
  assert.equal(await readFile(join(root, 'logs/cpuinfo'), 'utf8'), 'cores: 2\n');
});

bothWays('a silent guest, a lost one and an abort each have an error of their own', async (t) => {
  const start = async (limits: Partial<FetchLimits> = {}) => {
    const guest = guestWith({ '/x/a': 'a' });
    const control = new AbortController();
    const sftp = guest.files;
    sftp.silent = true;
    const done = fetchFiles(guest, [row('/x')], new Files(await scratch(t)), {
      guest: 'vm',
      signal: control.signal,
      ...limits,
    });
    return { sftp, control, done };
  };
  const silent = await start({ silence: 0.1 });
  await assert.rejects(
    silent.done,
    (error) => error instanceof CiError && error.result === 'POST_FAILURE' && /vm did not answer/.test(error.message),
  );
  const lost = await start();
  await waitFor('the fetch listens', () => lost.sftp.listenerCount('close') > 0);
  lost.sftp.emit('close');
  await assert.rejects(
    lost.done,
    (error) => error instanceof CiError && error.result === 'POST_FAILURE' && /connection was lost/.test(error.message),
  );
  const aborted = await start();
  await waitFor('the fetch listens', () => aborted.sftp.listenerCount('close') > 0);
  aborted.control.abort(new Error('a newer patchset came'));
  await assert.rejects(aborted.done, /a newer patchset came/);
  assert.equal(aborted.sftp.listenerCount('close'), 0);
});

bothWays('a full disk here is DISK_FULL', async (t) => {
  const root = await scratch(t);
  const probe = await open(join(root, 'probe'), 'w');
  await probe.close();
  const full = Object.assign(new Error('ENOSPC: no space left on device, write'), { code: 'ENOSPC' });
  t.mock.method(Object.getPrototypeOf(probe) as typeof probe, 'writev', () => Promise.reject(full));
  const guest = guestWith({ '/x/a': 'a', '/x/b': 'b' });
  await assert.rejects(
    fetchFiles(guest, [row('/x')], new Files(root), { guest: 'vm', signal: new AbortController().signal }),
    (error) => error instanceof CiError && error.result === 'DISK_FULL',
  );
});

test('every handle on the guest is closed', async (t) => {
  hasTar = false;
  const many = Object.fromEntries(Array.from({ length: 300 }, (_, n) => [`/x/${n % 7}/${n}`, `${n}`]));
  const { guest, paths } = await fetchInto(t, many, [row('/x')]);
  assert.equal(paths.length, 300);
  assert.ok(guest.files.mostOpen > 8, 'files are fetched side by side');
  await waitFor('all files are closed', () => guest.files.open_ <= 0);
});
