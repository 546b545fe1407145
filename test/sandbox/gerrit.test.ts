import assert from 'node:assert/strict';
import { readdir, stat, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join } from 'node:path';
import { test } from 'node:test';
import { startSandboxGerrit } from '../../lib/sandbox/gerrit.ts';
import { runLine } from '../support/gerrit-session.ts';
import { temporaryFolder, temporaryGerrit } from './gerrit/temporary.ts';

test('a second start restores changes, votes, keys and the host key', async (t) => {
  const dir = await temporaryFolder(t);
  const first = await startSandboxGerrit({ dir });
  assert.equal(first.restored, false);
  const number = await first.uploadSample('good');
  await runLine(first.target, `gerrit review -m hello --verified 1 ${number},1`);
  const before = first.changes();
  await first.close();

  const second = await startSandboxGerrit({ dir });
  t.after(() => second.close());
  assert.equal(second.restored, true);
  assert.deepEqual(second.changes(), before);
  assert.equal(second.target.hostKey, first.target.hostKey);
  assert.equal(second.target.privateKey, first.target.privateKey);
  assert.equal(await second.uploadSample('broken'), number + 1);
});

test('the folder contains all data, keys readable only by their owner, and no drafts', async (t) => {
  const dir = await temporaryFolder(t);
  const gerrit = await startSandboxGerrit({ dir });
  await gerrit.uploadSample('good');
  await gerrit.close();
  assert.deepEqual((await readdir(dir)).sort(), ['demo.git', 'keys', 'state.json']);
  for (const name of ['host', 'my-ci', 'ann', 'admin']) {
    assert.equal((await stat(join(dir, 'keys', name))).mode & 0o077, 0, name);
  }
});

test('the error about a port in use says what to do', async (t) => {
  const first = await temporaryGerrit(t);
  const dir = await temporaryFolder(t);
  await assert.rejects(startSandboxGerrit({ dir, port: first.target.port }), {
    name: 'CiError',
    code: 'sandbox/port',
    message: new RegExp(`127\\.0\\.0\\.1:${first.target.port}.*another port`),
  });
});

test('an error is thrown if git is missing', async (t) => {
  const path = process.env['PATH'];
  t.after(() => {
    process.env['PATH'] = path;
  });
  const dir = await temporaryFolder(t);
  process.env['PATH'] = dir;
  await assert.rejects(startSandboxGerrit({ dir: join(dir, 'x') }), {
    code: 'sandbox/git-missing',
    message: /Install it/,
  });
});

for (const [what, text] of [
  ['rubbish', '{"version":1,'],
  ['a newer version', '{"version":2,"changes":[]}'],
  ['no object', '[]'],
]) {
  test(`the error about a state file with ${what} says what to do`, async (t) => {
    const dir = await temporaryFolder(t);
    await writeFile(join(dir, 'state.json'), text!);
    await assert.rejects(startSandboxGerrit({ dir }), { name: 'CiError', message: /Delete the folder/ });
  });
}

test('an operation that is not allowed throws a CiError that says why', async (t) => {
  const gerrit = await temporaryGerrit(t);
  const number = await gerrit.uploadSample('good');
  await assert.rejects(gerrit.comment(99, 'hello'), { code: 'sandbox/no-such-change' });
  await assert.rejects(gerrit.comment(number, ' \n'), { code: 'sandbox/empty-comment' });
  await assert.rejects(gerrit.comment(number, 'x'.repeat(17_000)), {
    code: 'sandbox/review-refused',
    message: /16384/,
  });
  await assert.rejects(gerrit.comment(number, 'hello', 'nobody'), { code: 'sandbox/no-such-account' });
  for (const path of ['../x', '/x', 'a//b', '.git/config', 'a\0b']) {
    await assert.rejects(gerrit.upload({ files: { [path]: '' } }), { code: 'sandbox/file-name' }, path);
  }
  await gerrit.abandon(number);
  await assert.rejects(gerrit.abandon(number), { code: 'sandbox/change-closed', message: /is abandoned/ });
  await assert.rejects(gerrit.uploadPatchset(number, 'good'), { code: 'sandbox/change-closed' });
  assert.equal(gerrit.changes()[0]?.patchsets.length, 1);
});

test('changes to different files merge; a change to a file that changed on the branch does not', async (t) => {
  const gerrit = await temporaryGerrit(t);
  const one = await gerrit.upload({ message: 'One', files: { 'a.txt': 'one\n' } });
  const two = await gerrit.upload({ message: 'Two', files: { 'b.txt': 'two\n' } });
  const three = await gerrit.upload({ message: 'Three', files: { 'a.txt': 'three\n' } });
  await gerrit.submit(one.number);
  await gerrit.submit(two.number);
  await assert.rejects(gerrit.submit(three.number), { code: 'sandbox/merge-conflict', message: /a\.txt/ });
  assert.deepEqual(
    gerrit.changes().map((change) => change.status),
    ['MERGED', 'MERGED', 'NEW'],
  );
  assert.equal(await gerrit.repository.file('refs/heads/master', 'a.txt'), 'one\n');
  assert.equal(await gerrit.repository.file('refs/heads/master', 'b.txt'), 'two\n');
});

test('concurrent operations leave every change consistent', async (t) => {
  const gerrit = await temporaryGerrit(t);
  const numbers = await Promise.all(['good', 'broken', 'good'].map((kind) => gerrit.uploadSample(kind as 'good')));
  assert.deepEqual([...numbers].sort(), [1, 2, 3]);
  await Promise.all(Array.from({ length: 8 }, (_, i) => gerrit.comment(1, `comment ${i}`, 'ann', 'message')));
  const texts = gerrit.changes()[0]!.messages.map((one) => one.message);
  assert.equal(texts.filter((text) => /comment \d/.test(text)).length, 8);
});

test('closing ends open streams and frees the port', async (t) => {
  const dir = await temporaryFolder(t);
  const gerrit = await startSandboxGerrit({ dir });
  const { port } = gerrit.target;
  const stream = runLine(gerrit.target, 'gerrit stream-events').catch(() => 'ended');
  await gerrit.close();
  await stream;
  await new Promise<void>((resolve, reject) => {
    const socket = connect(port, '127.0.0.1', () => reject(new Error('the port is still open')));
    socket.on('error', () => resolve());
  });
});
