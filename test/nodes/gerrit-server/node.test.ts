import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generateKeyPair, publicKeyOf } from '../../../lib/ssh/keys.ts';
import { ask, assertStatusTexts, variable } from '../../support/build-runs.ts';
import { type FakeGerrit, shortenDelays, startFakeGerrit } from '../../support/fake-gerrit.ts';
import { flow, jobs, make, reaching, row } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';
import { lockedKey, startSshServer } from '../../support/ssh-server.ts';
import { waitFor } from '../../support/wait.ts';

describe('gerrit-server', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  let red: TestRed;
  let gerrit: FakeGerrit;
  let closeConnections: () => void;

  before(async () => {
    gerrit = await startFakeGerrit();
    red = await startRed();
    await red.deploy(flow(jobs()));
    closeConnections = await shortenDelays(red);
  });
  after(async () => {
    closeConnections?.();
    await red?.close();
    await gerrit?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const deploy = (settings: Record<string, unknown>) =>
    red.deploy(
      flow(
        make('gerrit-server', { name: '', ciName: 'my-ci', ...reaching(gerrit.target), ...settings }),
        ...row(make('gerrit-events', { server: 'gerrit-server1' }), make('debug')),
      ),
    );
  const waitForStatus = (pattern: RegExp, limit = 60_000) =>
    waitFor(
      `gerrit-events shows ${pattern}, not "${red.status('gerrit-events1')}"`,
      () => pattern.test(red.status('gerrit-events1')),
      limit,
    );
  const testConnection = (body: object) => ask(red, 'POST', 'test/gerrit-server', body);
  /** Returns what the form sends; `__PWRD__` stands for a stored secret that was not entered again. */
  const form = (config: object, credentials: object = {}) => ({
    id: 'gerrit-server1',
    config: { ...reaching(gerrit.target), ...config },
    credentials: { privateKey: '__PWRD__', ...credentials },
  });

  test('all nodes share one connection, and a deploy that does not change it does not interrupt it', async () => {
    const server = make('gerrit-server', { name: '', ...reaching(gerrit.target) });
    const events = (id: string) => make('gerrit-events', { id, server: 'gerrit-server1', wires: [['debug1']] });
    const nodes = flow(server, events('one'), events('two'), make('debug'));
    await red.deploy(nodes);
    await waitFor('both are connected', () => ['one', 'two'].every((id) => red.status(id).startsWith('connected')));
    await red.deploy(nodes);
    await waitFor('both are connected', () => ['one', 'two'].every((id) => red.status(id).startsWith('connected')));
    assert.equal(gerrit.server.logins, 1);
    assert.equal(gerrit.server.connections.size, 1);
  });

  test('settings may be environment variables, including the path of the key file', async () => {
    const { host, port, user, privateKey } = gerrit.target;
    const keyFile = join(dir, 'key');
    writeFileSync(keyFile, privateKey);
    await deploy({
      host: variable('G_HOST', host),
      port: variable('G_PORT', String(port)),
      user: variable('G_USER', user),
      keyFile: variable('G_KEY', keyFile),
      credentials: { privateKey: '' },
    });
    await waitForStatus(/^connected/);
  });

  test('an encrypted key is opened with its passphrase; the node says so if that is missing', async () => {
    const locked = lockedKey('open sesame');
    const other = await startFakeGerrit({ authorized: [publicKeyOf(locked, 'open sesame')] });
    try {
      const at = reaching({ ...other.target, privateKey: locked });
      await deploy({ ...at, credentials: { privateKey: locked } });
      await waitForStatus(/The private key is encrypted\. Enter its passphrase/);
      await deploy({ ...at, credentials: { privateKey: locked, passphrase: 'wrong' } });
      await waitForStatus(/The passphrase does not decrypt the private key/);
      await deploy({ ...at, credentials: { privateKey: locked, passphrase: 'open sesame' } });
      await waitForStatus(/^connected/);
      assert.ok(!JSON.stringify(red.logs).includes('sesame'), 'the passphrase is not logged');
    } finally {
      await other.close();
    }
  });

  test('for a key unknown to Gerrit, the line to add and its place are logged once', async () => {
    const { privateKey, publicKey } = generateKeyPair('stranger');
    await deploy({ credentials: { privateKey } });
    await waitForStatus(/^retry in \d+ s: .*the server refused this key/);
    const refusals = () => red.logs.filter(({ msg }) => msg.includes('refused this key'));
    await waitFor('the refusal is logged', () => refusals().length > 0);
    assert.match(refusals()[0]!.msg, /^gerrit 127\.0\.0\.1 \(my-ci@127\.0\.0\.1:\d+\)/);
    assert.ok(refusals()[0]!.msg.includes(publicKey.split(' ').slice(0, 2).join(' ')), refusals()[0]!.msg);
    assert.match(refusals()[0]!.msg, /SSH [Kk]eys/, 'Gerrit keeps keys in the settings of the account, not in a file');
    assert.doesNotMatch(refusals()[0]!.msg, /authorized_keys/);
    const statuses = red.statuses.length;
    // Further attempts with the same error are not logged.
    await waitFor(
      'the node tried again twice',
      () => red.statuses.slice(statuses).filter(({ text }) => /^retry/.test(text)).length > 1,
    );
    assert.equal(refusals().length, 1);
  });

  test('a host where nothing listens, an unknown host name and a missing key file are reported', async () => {
    const stopped = await startSshServer({ authorized: [gerrit.target.host && publicKeyOf(gerrit.target.privateKey)] });
    await stopped.close();
    await deploy({ port: String(stopped.port) });
    await waitForStatus(/^retry in \d+ s: .*nothing listens on port \d+ there|connection was refused/);
    await deploy({ host: 'no-such-host.invalid' });
    await waitForStatus(/^retry in \d+ s: .*unknown host name/);
    await deploy({ keyFile: join(dir, 'nowhere'), credentials: { privateKey: '' } });
    await waitFor('the missing file is logged', () =>
      red.logs.some(({ msg }) => msg.includes(join(dir, 'nowhere')) && msg.includes('cannot be read')),
    );
    await waitForStatus(/^gerrit 127\.0\.0\.1: the key file /);
  });

  test('a changed host key is refused with both fingerprints, until someone trusts it', async () => {
    const first = await startFakeGerrit();
    const { host, port } = first.target;
    await deploy(reaching(first.target));
    await waitForStatus(/^connected/);
    assert.deepEqual(await ask(red, 'GET', `host-key?host=${host}&port=${port}`), { pinned: first.server.fingerprint });
    await first.close();
    const second = await startFakeGerrit({ port, authorized: [publicKeyOf(first.target.privateKey)] });
    try {
      await waitForStatus(/its host key changed/);
      const logged = await waitFor('the changed key is logged', () =>
        red.logs.find(({ msg }) => msg.includes('host key changed')),
      );
      assert.ok(
        logged.msg.includes(`changed from ${first.server.fingerprint} to ${second.server.fingerprint}`),
        logged.msg,
      );
      assert.equal(second.server.logins, 0);
      const known = { pinned: first.server.fingerprint, offered: second.server.fingerprint };
      assert.deepEqual(await ask(red, 'GET', `host-key?host=${host}&port=${port}`), known);
      const after_ = await ask(red, 'POST', 'host-key', { host, port, action: 'accept' });
      assert.deepEqual(after_, { pinned: second.server.fingerprint });
      await waitForStatus(/^connected/, 2000);
      assert.deepEqual(await ask(red, 'POST', 'host-key', { host, port, action: 'forget' }), {});
    } finally {
      await second.close();
    }
  });

  test('a host key given in the settings is the only one trusted', async () => {
    await deploy({ hostKey: gerrit.server.fingerprint });
    await waitForStatus(/^connected/);
    await deploy({ hostKey: `SHA256:${'A'.repeat(43)}` });
    await waitForStatus(/: its host key is SHA256:/);
    const words = /its host key is SHA256:\S+ \(ssh-ed25519\), but SHA256:AAAA\S+ is set for it/;
    await waitFor('the full error is logged', () => red.logs.some(({ msg }) => words.test(msg)));
    await deploy({ hostKey: 'no key at all' });
    await waitForStatus(/the host key that is set for it cannot be parsed/);
  });

  test('Test connection shows version, account, permissions and host key, using stored or entered secrets', async () => {
    await deploy({});
    await waitForStatus(/^connected/);
    const found = await testConnection(form({}));
    assert.deepEqual(found, {
      ok: true,
      version: '3.13.5',
      account: 'my-ci',
      mayStream: true,
      hostKey: gerrit.server.fingerprint,
    });
    gerrit.refusal = 'stream events not permitted\n';
    assert.equal((await testConnection(form({})))['mayStream'], false);
    gerrit.refusal = undefined;
    const refused = await testConnection(form({}, { privateKey: generateKeyPair('typed').privateKey }));
    assert.equal(refused['ok'], false);
    assert.match(String(refused['error']), /the server refused this key/);
    const nothing = await testConnection({ id: 'gerrit-server1' });
    assert.deepEqual(nothing, { ok: false, error: 'The form sent no settings to test.' });
    const noKey = await testConnection({
      id: 'not-deployed',
      config: reaching(gerrit.target),
      credentials: { privateKey: '' },
    });
    assert.match(String(noKey['error']), /There is no private key/);
  });

  test('New key pair returns two keys that match', async () => {
    const pair = (await ask(red, 'POST', 'keys')) as { privateKey: string; publicKey: string };
    const half = (key: string) => key.split(' ').slice(0, 2).join(' ');
    assert.equal(half(publicKeyOf(pair.privateKey)), half(pair.publicKey));
  });

  test('if the account may not stream events, the node says whom to ask', async () => {
    await deploy({});
    await waitForStatus(/^connected/);
    gerrit.refusal = 'fatal: stream events not permitted\n';
    gerrit.endStreams();
    await waitForStatus(/may not read the event stream/);
    assert.ok(red.logs.some(({ msg }) => msg.includes('Service Users')));
    gerrit.refusal = undefined;
  });

  test('the built-in sandbox Gerrit needs no settings', async () => {
    await deploy({ kind: 'sandbox', host: '', user: '', credentials: { privateKey: '' } });
    await waitForStatus(/^connected/, 10_000);
    const page = await fetch(`${red.url}/sandbox`);
    assert.equal(page.status, 200);
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
