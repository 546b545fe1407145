import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { test } from 'node:test';
import ssh2 from 'ssh2';
import { parseAuthorizedKey } from '../../../lib/sandbox/guest/ssh-server.ts';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import { exec, outcome, shell, subsystem } from '../../support/ssh-client.ts';
import { waitForEvent, waitForPromise } from '../../support/wait.ts';
import { guestFor } from './client.ts';

test('authorized keys may have options before them', () => {
  const { publicKey } = generateKeyPair('me');
  for (const line of [publicKey, `no-pty,command="echo hi" ${publicKey}`]) {
    assert.equal(parseAuthorizedKey(line)?.type, 'ssh-ed25519', line);
  }
  assert.equal(parseAuthorizedKey('ssh-ed25519 rubbish'), undefined);
  assert.equal(parseAuthorizedKey(''), undefined);
});

test('passwords and keys that are not in the metadata are refused, and an RSA key from the metadata is accepted', async (t) => {
  const { world, connect } = await guestFor(t);
  await assert.rejects(connect({ privateKey: undefined, password: 'r00tme' }), { level: 'client-authentication' });
  await assert.rejects(connect({ privateKey: generateKeyPair('other').privateKey }), {
    level: 'client-authentication',
  });

  const pem = generateKeyPairSync('rsa', { modulusLength: 2048 }).privateKey.export({ type: 'pkcs1', format: 'pem' });
  const parsed = ssh2.utils.parseKey(pem);
  assert.ok(!(parsed instanceof Error));
  const authorizedKeys = [`ssh-rsa ${parsed.getPublicSSH().toString('base64')} seed`];
  const document = { instanceId: 'rsa', hostname: 'rsa', authorizedKeys, userData: '', vendorData: '' };
  world.service.put('w1', 'rsa', document);
  const signal = AbortSignal.timeout(20_000);
  await world.worker.hypervisor.boot(await world.spec('rsa'), { signal });
  const [address] = await world.worker.hypervisor.addresses('rsa', { signal });
  const client = await connect({ ...address!, privateKey: pem });
  assert.equal((await outcome(await exec(client, 'echo in'))).stdout, 'in\n');
});

test("a session's environment is small, and contains no variables of the controller or the client", async (t) => {
  process.env['RECHECK_TEST_SECRET'] = 'hunter2';
  t.after(() => delete process.env['RECHECK_TEST_SECRET']);
  const { connect } = await guestFor(t);
  const client = await connect();
  const { stdout } = await outcome(await exec(client, 'env', { env: { LD_PRELOAD: '/x', WANTED: 'x' } }));
  const names = stdout
    .trim()
    .split('\n')
    .map((line) => line.split('=', 1)[0]!);
  const expected = 'HOME HOSTNAME LANG LOGNAME PATH RECHECK_GUEST SHELL TMPDIR USER'.split(' ');
  assert.deepEqual(names.filter((name) => !['PWD', 'SHLVL', '_'].includes(name)).sort(), expected);
});

test('one connection runs a shell without a terminal and a command at the same time', async (t) => {
  const { connect } = await guestFor(t);
  const client = await connect();
  const typing = await shell(client);
  typing.channel.end('echo typed; exit 5\n');
  const [typed, other] = await Promise.all([outcome(typing), exec(client, 'echo other').then(outcome)]);
  assert.deepEqual(typed, { exit: [5], stdout: 'typed\n', stderr: '' });
  assert.equal(other.stdout, 'other\n');
});

test('a lost connection does not stop the command or the guest, as with sshd', async (t) => {
  const { connect } = await guestFor(t);
  const client = await connect();
  const { channel } = await exec(client, 'echo begun; sleep 0.5; echo done > proof; echo more; echo more');
  await waitForEvent('the command has begun', channel, 'data');
  client.destroy();
  const second = await connect();
  const waited = 'for i in $(seq 100); do test -f proof && cat proof && exit 0; sleep 0.1; done; exit 1';
  assert.deepEqual(await outcome(await exec(second, waited)), { exit: [0], stdout: 'done\n', stderr: '' });
});

test('the server closes the session of an sftp client that has finished', async (t) => {
  const client = await (await guestFor(t)).connect();
  const { channel, closed } = await subsystem(client, 'sftp');
  channel.resume().end();
  await waitForPromise('the server closes it', closed, 60_000);
});
