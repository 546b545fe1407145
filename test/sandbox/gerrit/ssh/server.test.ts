import assert from 'node:assert/strict';
import { execFile, spawnSync } from 'node:child_process';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { test } from 'node:test';
import type { Client } from 'ssh2';
import { fingerprint, generateKeyPair } from '../../../../lib/ssh/keys.ts';
import type { SshTarget } from '../../../../lib/ssh/types.ts';
import { runLine } from '../../../support/gerrit-session.ts';
import { exec, logIn } from '../../../support/ssh-client.ts';
import { waitFor, waitForPromise } from '../../../support/wait.ts';
import { temporaryFolder, temporaryGerrit } from '../temporary.ts';

async function connect(target: SshTarget, hostVerifier?: (key: Buffer) => boolean): Promise<Client> {
  const { host, port, user: username, privateKey } = target;
  return logIn({ host, port, username, privateKey, ...(hostVerifier && { hostVerifier }) });
}

test('unknown keys and accounts are refused', async (t) => {
  const gerrit = await temporaryGerrit(t);
  const { privateKey } = generateKeyPair('stranger');
  await assert.rejects(connect({ ...gerrit.target, privateKey }), /authentication/i);
  await assert.rejects(connect({ ...gerrit.target, user: 'nobody' }), /authentication/i);
  await assert.rejects(connect({ ...gerrit.target, privateKey: gerrit.targetOf('ann').privateKey }), /authentication/i);
});

test("the target has the server's host key", async (t) => {
  const gerrit = await temporaryGerrit(t);
  let shown = '';
  const client = await connect(gerrit.target, (key) => {
    shown = fingerprint(key);
    return true;
  });
  client.end();
  assert.equal(shown, gerrit.target.hostKey);
});

test("an unknown command is refused with Gerrit's message", async (t) => {
  const gerrit = await temporaryGerrit(t);
  const run = async (line: string) => {
    const { code, stderr } = await runLine(gerrit.target, line);
    return [code, stderr];
  };
  assert.deepEqual(await run('ls /'), [1, 'fatal: Gerrit Code Review: ls: not found\n']);
  assert.deepEqual(await run('gerrit nope'), [1, 'fatal: gerrit: nope: not found\n']);
  assert.deepEqual(await run("git-upload-pack '/nope'"), [1, 'fatal: project nope not found\n']);
  assert.deepEqual(await run("git-upload-pack '/../demo'"), [1, 'fatal: project ../demo not found\n']);
  assert.equal((await run('gerrit'))[0], 1);
});

test('a client that stops reading loses events, and is told so before the events that were kept', async (t) => {
  const gerrit = await temporaryGerrit(t);
  // Each event contains the commit message: about twenty fill SSH's window and the buffers of both sides.
  const message = `Big\n\n${'x'.repeat(200_000)}`;
  const { number } = await gerrit.upload({ message, files: { 'a.txt': 'x' } });
  const client = await connect(gerrit.target);
  t.after(() => client.end());
  const { channel } = await exec(client, 'gerrit stream-events -s comment-added');
  channel.pause();
  await runLine(gerrit.target, 'gerrit version'); // once this is answered, the stream has begun
  const COUNT = 190;
  for (let i = 0; i < COUNT; i++) await gerrit.comment(number, String(i), 'ann', 'message');

  const types: string[] = [];
  let rest = '';
  channel.on('data', (chunk: Buffer) => {
    const lines = (rest + chunk).split('\n');
    rest = lines.pop()!;
    for (const line of lines) types.push(JSON.parse(line).type);
  });
  channel.resume();
  await waitFor('the loss is reported', () => types.includes('dropped-output'));
  await waitFor('the kept events arrive', () => types.length - types.indexOf('dropped-output') > 128);
  assert.equal(types.filter((type) => type === 'dropped-output').length, 1);
  assert.ok(types.length < COUNT, 'some events are lost');

  await gerrit.comment(number, 'after', 'ann', 'message');
  const count = types.length;
  await waitFor('the stream continues', () => types.length > count);
});

test('twenty streams that open and close leave nothing behind', async (t) => {
  const gerrit = await temporaryGerrit(t);
  const number = await gerrit.uploadSample('good');
  const client = await connect(gerrit.target);
  t.after(() => client.end());
  for (let i = 0; i < 20; i++) {
    const { channel, closed } = await exec(client, 'gerrit stream-events');
    channel.resume();
    channel.close();
    await waitForPromise('the stream is closed', closed);
  }
  const seen: string[] = [];
  const { channel } = await exec(client, 'gerrit stream-events -s comment-added');
  channel.on('data', (chunk: Buffer) => seen.push(chunk.toString()));
  await runLine(gerrit.target, 'gerrit version');
  await gerrit.comment(number, 'once');
  await waitFor('the event arrives', () => seen.length > 0);
  assert.equal(seen.join('').match(/comment-added/g)?.length, 1);
});

test('git can fetch a patchset over SSH', async (t) => {
  if (spawnSync('ssh', ['-V']).error) {
    t.skip('no ssh client on this machine');
    return;
  }
  const gerrit = await temporaryGerrit(t);
  await gerrit.uploadSample('good');
  const dir = await temporaryFolder(t);
  const key = join(dir, 'key');
  await writeFile(key, gerrit.target.privateKey, { mode: 0o600 });
  const git = (...args: string[]) => {
    const env = {
      PATH: process.env['PATH'],
      HOME: dir,
      GIT_CONFIG_NOSYSTEM: '1',
      GIT_SSH_COMMAND: `ssh -F /dev/null -i ${key} -o IdentitiesOnly=yes -o StrictHostKeyChecking=no -o UserKnownHostsFile=/dev/null`,
    };
    return new Promise<string>((resolve, reject) => {
      execFile('git', args, { cwd: dir, env }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
    });
  };
  await git('init', '-q', 'work');
  const url = `ssh://${gerrit.target.user}@127.0.0.1:${gerrit.target.port}/${gerrit.project}`;
  await git('-C', 'work', 'fetch', '-q', url, 'refs/changes/01/1/1');
  assert.equal(
    (await git('-C', 'work', 'rev-parse', 'FETCH_HEAD')).trim(),
    gerrit.changes()[0]?.patchsets[0]?.revision,
  );
  assert.match(await git('-C', 'work', 'show', 'FETCH_HEAD:greet.sh'), /Good day/);
});
