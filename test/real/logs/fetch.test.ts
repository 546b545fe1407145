import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { link, mkdir, readdir, readFile, stat, symlink, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { CiError } from '../../../lib/errors/ci-error.ts';
import { openBuildLog } from '../../../lib/logs/build-log.ts';
import { fetchFiles } from '../../../lib/logs/fetch/fetch.ts';
import { Files } from '../../../lib/logs/fetch/files.ts';
import { connectHost } from '../../../lib/ssh/connect.ts';
import { KnownHosts } from '../../../lib/ssh/known-hosts.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import { build, change, page, scratch } from '../../logs/help.ts';
import { end } from '../../support/child.ts';
import { startOpenSsh } from '../../support/openssh.ts';
import { waitFor } from '../../support/wait.ts';

const { signal } = new AbortController();

/** The tar that a guest has: GNU's, busybox's or none. */
const TARS = ['gnu', 'busybox', 'none'] as const;

/** Starts a real sshd as a guest that has only this tar. */
async function openGuest(t: TestContext, tar: (typeof TARS)[number] = 'gnu') {
  const bin = await scratch(t);
  if (tar === 'gnu') for (const name of ['tar', 'xargs']) await symlink(`/usr/bin/${name}`, join(bin, name));
  if (tar === 'busybox') for (const name of ['tar', 'xargs']) await symlink('/bin/busybox', join(bin, name));
  const sshd = await startOpenSsh([`SetEnv PATH=${bin}`]);
  t.after(() => sshd.remove());
  const host = await connectHost(sshd.target, { knownHosts: new KnownHosts(join(sshd.dir, 'hosts.json')) });
  t.after(() => host.close());
  return { sshd, host };
}

/** Wraps a host to count the bytes of file content that are read through SFTP. */
function countSftpBytes(host: Host): { host: Pick<Host, 'start' | 'sftp'>; bySftp: () => number } {
  let bytes = 0;
  return {
    bySftp: () => bytes,
    host: {
      start: host.start.bind(host),
      async sftp(...args) {
        const sftp = await host.sftp(...args);
        const read = sftp.read.bind(sftp);
        sftp.read = (handle, buffer, offset, length, position, done) =>
          read(handle, buffer, offset, length, position, (error, got, ...rest) => {
            bytes += got ?? 0;
            done(error, got, ...rest);
          });
        return sftp;
      },
    },
  };
}

for (const tar of TARS) {
  test(`${tar} tar: a tree, a glob, /proc, links and odd names are fetched, and missing files are reported`, async (t) => {
    const { host, bySftp } = countSftpBytes((await openGuest(t, tar)).host);
    const from = await scratch(t);
    const deep = join(from, 'deep', 'folder of a long name '.repeat(6).trim(), 'er');
    await mkdir(deep, { recursive: true });
    const big = randomBytes(5_000_001);
    await writeFile(join(deep, 'big'), big);
    await writeFile(join(from, 'a b\n<c>.log'), 'odd');
    await writeFile(join(from, "-rf 'x' $HOME `y`.log"), 'odder');
    await writeFile(join(from, 'empty.log'), '');
    await symlink(join(deep, 'big'), join(from, 'newest'));
    await symlink('/etc/passwd', join(from, 'out.log'));
    await link(join(deep, 'big'), join(from, 'same'));
    await writeFile(join(from, 'sparse'), '');
    await truncate(join(from, 'sparse'), 3 << 20);
    execFileSync('mkfifo', [join(from, 'pipe')]);

    const log = await openBuildLog({ root: await scratch(t), url: 'http://x' }, change(), build());
    const rows = [
      { remote: `${from}/`, dir: 'all' },
      { remote: `${from}/*.log`, dir: 'glob' },
      { remote: '/proc/cpuinfo', dir: '' },
      { remote: `${from}/none`, dir: '' },
    ];
    const fetched = await log.fetch(host, rows, 'vm', { signal });
    assert.deepEqual(fetched.missing, [`${from}/none`]);
    const logs = ['_rf _x_ _HOME _y_.log', 'a b__c_.log', 'empty.log'];
    assert.deepEqual(
      (await readdir(join(log.dir, 'all'))).sort(),
      [...logs, 'deep', 'newest', 'same', 'sparse'].sort(),
    );
    assert.deepEqual((await readdir(join(log.dir, 'glob'))).sort(), logs);
    execFileSync('diff', ['-r', join(from, 'deep'), join(log.dir, 'all/deep')]);
    for (const name of ['newest', 'same']) assert.ok((await readFile(join(log.dir, 'all', name))).equals(big), name);
    assert.ok((await readFile(join(log.dir, 'all/sparse'))).equals(Buffer.alloc(3 << 20)));
    assert.match(await readFile(join(log.dir, 'cpuinfo'), 'utf8'), /processor/);
    await log.finish(page({ endedAt: '2026-11-22T15:57:12.000Z' }));
    assert.match(await readFile(join(log.dir, 'console.log'), 'utf8'), /logs: 11 files, .* fetched from vm/);
    // tar transfers a file under the first of its two names, and the sparse file.
    const whole = 3 * big.length + (3 << 20);
    if (tar === 'none') assert.ok(bySftp() > whole);
    else assert.ok(bySftp() < whole - big.length, `${bySftp()} bytes by SFTP`);
  });

  test(`${tar} tar: two thousand small files arrive unchanged`, async (t) => {
    const { host, bySftp } = countSftpBytes((await openGuest(t, tar)).host);
    const from = await scratch(t);
    for (let n = 0; n < 2000; n++) {
      if (n % 100 === 0) await mkdir(join(from, `${n / 100}`));
      await writeFile(join(from, `${Math.floor(n / 100)}/${n}.txt`), `content ${n}\n`.repeat(n + 1));
    }
    const root = await scratch(t);
    const fetched = await fetchFiles(host, [{ remote: from, dir: 'got' }], new Files(root), { guest: 'vm', signal });
    assert.equal(fetched.files, 2000);
    execFileSync('diff', ['-r', from, join(root, 'got')]);
    if (tar !== 'none') assert.equal(bySftp(), 0);
  });
}

test('files that grow while they are fetched arrive with at least their original content', async (t) => {
  const { host } = await openGuest(t);
  const from = await scratch(t);
  const growing = Array.from({ length: 8 }, (_, n) => join(from, `growing-${n}`));
  for (const file of growing) await writeFile(file, 'y\n'.repeat(2_000_000));
  const append = 'while :; do for file; do echo y >>"$file"; done; done';
  const writer = spawn('sh', ['-c', append, 'sh', ...growing], { stdio: 'ignore' });
  const root = await scratch(t);
  try {
    const fetched = await fetchFiles(host, [{ remote: from, dir: '' }], new Files(root), { guest: 'vm', signal });
    assert.equal(fetched.files, 8);
  } finally {
    await end(writer);
  }
  for (const name of await readdir(root)) {
    const text = await readFile(join(root, name), 'latin1');
    assert.ok(text.length >= 4_000_000);
    assert.match(text, /^(y\n)+$/);
  }
});

for (const tar of ['gnu', 'none'] as const) {
  test(`${tar} tar: a connection that is lost during a fetch ends it with an explanation`, async (t) => {
    const { host, sshd } = await openGuest(t, tar);
    const from = await scratch(t);
    await writeFile(join(from, 'big'), Buffer.alloc(400 << 20));
    const root = await scratch(t);
    const done = fetchFiles(host, [{ remote: from, dir: '' }], new Files(root), { guest: 'vm', signal });
    done.catch(() => {});
    await waitFor('the copy has begun', () =>
      stat(join(root, 'big')).then(
        ({ size }) => size > 0,
        () => false,
      ),
    );
    await sshd.stop();
    await assert.rejects(done, /guest vm: the connection was lost while fetching .*big \(/);
  });

  test(`${tar} tar: logs that fill a real disk fail with DISK_FULL`, async (t) => {
    const { host } = await openGuest(t, tar);
    const from = await scratch(t);
    for (const n of [1, 2, 3]) await writeFile(join(from, `log-${n}`), Buffer.alloc(1_500_000));
    const root = join(await scratch(t), 'disk');
    await mkdir(root);
    execFileSync('mount', ['-t', 'tmpfs', '-o', 'size=3m', 'tmpfs', root]);
    try {
      await assert.rejects(
        fetchFiles(host, [{ remote: from, dir: '' }], new Files(root), { guest: 'vm', signal }),
        (error) =>
          error instanceof CiError && error.result === 'DISK_FULL' && /no space is left for .*log-/.test(error.message),
      );
    } finally {
      execFileSync('umount', [root]);
    }
  });
}
