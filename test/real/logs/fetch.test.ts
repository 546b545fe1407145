import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { mkdir, readdir, readFile, symlink, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import { openBuildLog } from '../../../lib/logs/build-log.ts';
import { fetchFiles } from '../../../lib/logs/fetch.ts';
import { Files } from '../../../lib/logs/files.ts';
import { build, change, page, scratch } from '../../logs/help.ts';
import { realSftp } from './sshd.ts';

const { signal } = new AbortController();

test('from OpenSSH: a tree, a glob, /proc, links and what is missing', async (t) => {
  const { sftp } = await realSftp(t);
  const from = await scratch(t);
  await mkdir(join(from, 'deep/er'), { recursive: true });
  const big = randomBytes(5_000_001);
  await writeFile(join(from, 'deep/er/big'), big);
  await writeFile(join(from, 'a b\n<c>.log'), 'odd');
  await writeFile(join(from, 'empty.log'), '');
  await symlink('deep/er/big', join(from, 'newest'));
  await symlink('/etc/passwd', join(from, 'out.log'));
  execFileSync('mkfifo', [join(from, 'pipe')]);

  const log = await openBuildLog({ root: await scratch(t), url: 'http://x' }, change(), build());
  const rows = [
    { remote: `${from}/`, dir: 'all' },
    { remote: `${from}/*.log`, dir: 'glob' },
    { remote: '/proc/cpuinfo', dir: '' },
    { remote: `${from}/none`, dir: '' },
  ];
  const fetched = await log.fetch(sftp, rows, 'vm', { signal });
  assert.deepEqual(fetched.missing, [`${from}/none`]);
  assert.deepEqual((await readdir(join(log.dir, 'all'))).sort(), ['a b__c_.log', 'deep', 'empty.log', 'newest']);
  assert.deepEqual((await readdir(join(log.dir, 'glob'))).sort(), ['a b__c_.log', 'empty.log']);
  assert.ok((await readFile(join(log.dir, 'all/deep/er/big'))).equals(big));
  assert.ok((await readFile(join(log.dir, 'all/newest'))).equals(big));
  assert.match(await readFile(join(log.dir, 'cpuinfo'), 'utf8'), /processor/);
  await log.finish(page({ endedAt: '2026-11-22T15:57:12.000Z' }));
  assert.match(await readFile(join(log.dir, 'console.log'), 'utf8'), /logs: 7 files, .* fetched from vm/);
});

test('two thousand small files arrive, each as it was', async (t) => {
  const { sftp } = await realSftp(t);
  const from = await scratch(t);
  for (let n = 0; n < 2000; n++) {
    if (n % 100 === 0) await mkdir(join(from, `${n / 100}`));
    await writeFile(join(from, `${Math.floor(n / 100)}/${n}.txt`), `content ${n}\n`.repeat(n));
  }
  const root = await scratch(t);
  const fetched = await fetchFiles(sftp, [{ remote: from, dir: 'got' }], new Files(root), { guest: 'vm', signal });
  assert.equal(fetched.files, 2000);
  execFileSync('diff', ['-r', from, join(root, 'got')]);
});

test('a connection that ends in the middle ends the fetch with words', async (t) => {
  const { sftp, client } = await realSftp(t);
  const from = await scratch(t);
  await writeFile(join(from, 'big'), Buffer.alloc(200 << 20));
  const done = fetchFiles(sftp, [{ remote: from, dir: '' }], new Files(await scratch(t)), { guest: 'vm', signal });
  setTimeout(() => client.destroy(), 50);
  await assert.rejects(done, /guest vm: the connection was lost/);
});
