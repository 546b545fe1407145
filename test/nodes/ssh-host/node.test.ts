import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generateKeyPair, publicKeyOf } from '../../../lib/ssh/keys.ts';
import type { SshTarget } from '../../../lib/ssh/types.ts';
import { ask, assertStatusTexts, faults, run, variable } from '../../support/build-runs.ts';
import { shortenDelays } from '../../support/fake-gerrit.ts';
import { flow, jobs, make, reaching, row } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';
import { lockedKey, startSshServer, type TestSshServer } from '../../support/ssh-server.ts';
import { waitFor } from '../../support/wait.ts';

describe('ssh-host', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  const pair = generateKeyPair('test');
  const locked = lockedKey('open sesame');
  let red: TestRed;
  let server: TestSshServer;
  let closeConnections: () => void;

  before(async () => {
    server = await startSshServer({ authorized: [pair.publicKey, publicKeyOf(locked, 'open sesame')] });
    red = await startRed();
    await red.deploy(flow(jobs()));
    closeConnections = await shortenDelays(red);
  });
  after(async () => {
    closeConnections?.();
    await red?.close();
    await server?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const target = (): SshTarget => ({
    label: 'a host',
    host: '127.0.0.1',
    port: server.port,
    user: 'tester',
    privateKey: pair.privateKey,
  });
  const deploy = (settings: Record<string, unknown> = {}, script = 'echo here') =>
    red.deploy(
      flow(
        make('ssh-host', { name: 'store', ...reaching(target()), ...settings }),
        ...row(
          jobs(),
          make('ssh-exec', { name: 'there', target: 'host', host: 'ssh-host1', script }),
          make('gerrit-review', { silent: true }),
        ),
      ),
    );
  /** Runs a build that must end as NODE_FAILURE without a vote, and returns its error message. */
  const runFailing = async (): Promise<string> => {
    const { build, result } = await run(red);
    assert.equal(result, 'NODE_FAILURE', build.steps[0]?.message);
    const error = build.steps[0]?.message ?? '';
    await waitFor(`the Catch node receives: ${error}`, () => faults(red).includes(error));
    await waitFor('the review has no vote', () => / dry run: no vote$/.test(red.status('gerrit-review1')));
    return error;
  };

  test('all scripts run over one connection', async () => {
    await deploy();
    const before = server.logins;
    assert.equal((await run(red)).result, 'SUCCESS');
    assert.equal((await run(red)).result, 'SUCCESS');
    assert.equal(server.logins - before, 1);
  });

  test('settings may be environment variables; the key file is used if no key is pasted', async () => {
    const keyFile = join(dir, 'key');
    writeFileSync(keyFile, pair.privateKey);
    await deploy({
      host: variable('H_HOST', '127.0.0.1'),
      port: variable('H_PORT', String(server.port)),
      user: variable('H_USER', 'tester'),
      keyFile: variable('H_KEY', keyFile),
      credentials: { privateKey: '' },
    });
    assert.equal((await run(red)).result, 'SUCCESS');
  });

  test('an encrypted key is opened with its passphrase', async () => {
    await deploy({ credentials: { privateKey: locked, passphrase: 'open sesame' } });
    assert.equal((await run(red)).result, 'SUCCESS');
  });

  test('a refused key ends the build immediately, and the error says which line to add where', async () => {
    const other = generateKeyPair('stranger');
    await deploy({ credentials: { privateKey: other.privateKey } });
    const error = await runFailing();
    assert.match(error, /^host store \(tester@127\.0\.0\.1:\d+\): the server refused this key\. Add this line to/);
    assert.ok(error.includes(`~tester/.ssh/authorized_keys there: ${other.publicKey}`), error);
  });

  test('a missing key file is reported', async () => {
    await deploy({ keyFile: join(dir, 'nowhere'), credentials: { privateKey: '' } });
    const { build, result } = await run(red);
    assert.equal(result, 'ERROR');
    assert.match(build.steps[0]!.message!, /^host store: the key file .*nowhere cannot be read .*Check the path/);
  });

  test('an unreachable host is not blamed on the patch', async () => {
    const stopped = await startSshServer({ authorized: [pair.publicKey] });
    await stopped.close();
    await deploy({ port: String(stopped.port) });
    assert.match(await runFailing(), /nothing listens on port \d+ there/);
  });

  test('a changed host key is refused until someone trusts it', async () => {
    const first = await startSshServer({ authorized: [pair.publicKey] });
    const { port } = first;
    await deploy({ port: String(port) });
    assert.equal((await run(red)).result, 'SUCCESS');
    await first.close();
    const link = red.runtime().pool.acquire({ ...target(), port, privateKey: pair.privateKey.trim() });
    await waitFor('the loss is detected', () => link.health.state !== 'up');
    link.release();
    const second = await startSshServer({ authorized: [pair.publicKey], port });
    try {
      const error = await runFailing();
      assert.ok(error.includes(`its host key changed from ${first.fingerprint} to ${second.fingerprint}`), error);
      await ask(red, 'POST', 'host-key', { host: '127.0.0.1', port, action: 'accept' });
      assert.equal((await run(red)).result, 'SUCCESS');
    } finally {
      await second.close();
    }
  });

  test('a host key given in the settings is the only one trusted', async () => {
    await deploy({ hostKey: `SHA256:${'A'.repeat(43)}` });
    assert.match(await runFailing(), /its host key is SHA256:\S+ \(ssh-ed25519\), but SHA256:AAA\S+ is set for it/);
    await deploy({ hostKey: server.fingerprint });
    assert.equal((await run(red)).result, 'SUCCESS');
  });

  test('a connection lost while a script runs is not blamed on the patch', async () => {
    const flag = join(dir, 'runs');
    await deploy({}, `touch ${flag}; sleep 60`);
    const ended = run(red);
    await waitFor('the script runs', () => existsSync(flag));
    server.cut();
    const { build, result } = await ended;
    assert.equal(result, 'NODE_FAILURE', build.steps[0]?.message);
    assert.match(build.steps[0]!.message!, /the connection was lost/);
  });

  test('no host chosen, or a deleted one, is reported', async () => {
    await deploy();
    await red.deploy(
      flow(...row(jobs(), make('ssh-exec', { name: 'there', target: 'host', host: '' }), make('gerrit-review'))),
    );
    const { build, result } = await run(red);
    assert.equal(result, 'ERROR');
    assert.match(build.steps[0]!.message!, /^there: no SSH host is selected\./);
  });

  test('Test connection pins the key and shows it; failures are shown', async () => {
    await deploy();
    const form = { id: 'ssh-host1', config: reaching(target()), credentials: { privateKey: '__PWRD__' } };
    assert.deepEqual(await ask(red, 'POST', 'test/ssh-host', form), { ok: true, hostKey: server.fingerprint });
    const typed = { ...form, credentials: generateKeyPair('typed') };
    const refused = await ask(red, 'POST', 'test/ssh-host', typed);
    assert.match(String(refused['error']), /the server refused this key/);
    const stopped = await startSshServer({ authorized: [] });
    await stopped.close();
    const wrong = await ask(red, 'POST', 'test/ssh-host', { ...form, config: { ...form.config, port: stopped.port } });
    assert.match(String(wrong['error']), /nothing listens/);
  });

  test('a login shell that prints text is accepted; one that runs nothing is reported, also by the button', async () => {
    const noisy = await startSshServer({
      authorized: [pair.publicKey],
      answer(_command, channel) {
        channel.write('Welcome to this host\n');
        channel.stderr.write('stty: no terminal\n');
        return false;
      },
    });
    const closed = await startSshServer({
      authorized: [pair.publicKey],
      answer(_command, channel) {
        channel.on('error', () => {}).resume();
        channel.write('\x1b[31mNo login today.\x1b[0m\r\n');
        channel.exit(1);
        channel.end();
        return true;
      },
    });
    try {
      await deploy({ port: noisy.port });
      assert.equal((await run(red)).result, 'SUCCESS');
      await deploy({ port: closed.port });
      const error = await runFailing();
      assert.match(error, /the login shell of tester ended with exit code 1 .*printed "No login today\."/);
      const form = { id: 'ssh-host1', config: { ...reaching(target()), port: closed.port } };
      const tested = await ask(red, 'POST', 'test/ssh-host', { ...form, credentials: { privateKey: '__PWRD__' } });
      assert.match(String(tested['error']), /"No login today\."/);
    } finally {
      await noisy.close();
      await closed.close();
    }
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
