import assert from 'node:assert/strict';
import { readFileSync, writeFileSync } from 'node:fs';
import { connect } from 'node:net';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import type { CiError } from '../../../lib/errors/ci-error.ts';
import { connectHost } from '../../../lib/ssh/connect.ts';
import { generateKeyPair, publicKeyOf } from '../../../lib/ssh/keys.ts';
import { KnownHosts } from '../../../lib/ssh/known-hosts.ts';
import { LinkPool } from '../../../lib/ssh/link-pool.ts';
import { type OpenSsh, startOpenSsh } from '../../support/openssh.ts';
import { waitFor, waitForEvent } from '../../support/wait.ts';

let sshd: OpenSsh;
let knownHosts: KnownHosts;
before(async () => {
  sshd = await startOpenSsh(['MaxSessions 3']);
  knownHosts = new KnownHosts(join(sshd.dir, 'known.json'));
});
after(() => sshd.remove());

const code = (wanted: string) => (error: CiError) => {
  assert.equal(error.code, wanted, error.stack);
  return true;
};

for (const [name, args] of Object.entries({
  'ssh-keygen -t rsa': ['-t', 'rsa'],
  'ssh-keygen -t rsa -m PEM': ['-t', 'rsa', '-m', 'PEM'],
  'ssh-keygen -t ecdsa': ['-t', 'ecdsa'],
  'ssh-keygen -t ed25519': ['-t', 'ed25519'],
})) {
  test(`a key made by ${name} logs in`, async () => {
    const key = sshd.keygen(name.replaceAll(' ', ''), ...args);
    // The comment is lost in PEM.
    assert.ok(key.publicKey.startsWith(publicKeyOf(key.privateKey)));
    sshd.authorize(key.publicKey);
    const host = await connectHost({ ...sshd.target, privateKey: key.privateKey }, { knownHosts });
    assert.equal((await host.run(['echo', 'in'])).stdout, 'in\n');
    host.close();
  });
}

test('an encrypted key logs in with its passphrase, and an error says if the passphrase is missing or wrong', async () => {
  const key = sshd.keygen('encrypted', '-t', 'ed25519', '-N', 'open sesame');
  sshd.authorize(key.publicKey);
  const target = { ...sshd.target, privateKey: key.privateKey };
  (await connectHost({ ...target, passphrase: 'open sesame' }, { knownHosts })).close();
  await assert.rejects(connectHost(target, { knownHosts }), code('ssh/passphrase-missing'));
  await assert.rejects(connectHost({ ...target, passphrase: 'x' }, { knownHosts }), code('ssh/passphrase-wrong'));
});

test('a generated key is refused with the authorized_keys line to add, and then logs in', async () => {
  const key = generateKeyPair('recheck');
  const target = { ...sshd.target, privateKey: key.privateKey };
  await assert.rejects(connectHost(target, { knownHosts }), (error: CiError) => {
    assert.ok(error.message.includes(`authorized_keys there: ${key.publicKey}`), error.message);
    sshd.authorize(key.publicKey);
    return code('ssh/key-refused')(error);
  });
  (await connectHost(target, { knownHosts })).close();
});

test('the error of a failed login includes sshd’s banner', async () => {
  const banner = join(sshd.dir, 'banner');
  writeFileSync(banner, 'Authorised use only.\nAsk the lab for access.\n');
  const talking = await startOpenSsh([`Banner ${banner}`]);
  try {
    const target = { ...talking.target, privateKey: generateKeyPair('stranger').privateKey };
    const hosts = new KnownHosts(join(talking.dir, 'known.json'));
    await assert.rejects(connectHost(target, { knownHosts: hosts }), (error: CiError) => {
      assert.match(error.message, /refused this key \(it says: "Authorised use only\. \/ Ask the lab for access\."\)/);
      return code('ssh/key-refused')(error);
    });
    (await connectHost(talking.target, { knownHosts: hosts })).close();
  } finally {
    await talking.remove();
  }
});

test('the pinned key is requested even if the server also offers others', async () => {
  const other = await startOpenSsh();
  try {
    const file = join(other.dir, 'known.json');
    const hosts = new KnownHosts(file);
    other.keygen('host_rsa', '-t', 'rsa');
    const config = join(other.dir, 'sshd_config');
    const settings = readFileSync(config, 'utf8');
    await other.stop();
    writeFileSync(config, settings.replace(/^HostKey .*$/m, `HostKey ${other.dir}/host_rsa`));
    await other.start();
    (await connectHost(other.target, { knownHosts: hosts })).close();
    await other.stop();
    writeFileSync(config, `${settings}HostKey ${other.dir}/host_rsa\n`);
    await other.start();
    (await connectHost(other.target, { knownHosts: hosts })).close();
    assert.equal(hosts.entry('127.0.0.1', other.port).offered, undefined);
  } finally {
    await other.remove();
  }
});

test('arguments, input, exit code and signal pass through a real login shell', async () => {
  const host = await connectHost(sshd.target, { knownHosts });
  const words = ["it's", '', '$HOME `id` $(id)', 'a\nb', '*'];
  assert.equal((await host.run(['printf', '%s|', ...words])).stdout, words.map((word) => `${word}|`).join(''));
  assert.deepEqual(await host.run(['sh', '-c', 'cat; exit 3'], { stdin: 'input' }), {
    code: 3,
    stdout: 'input',
    stderr: '',
  });
  assert.equal((await host.run(['sh', '-c', 'kill -TERM $$'])).signal, 'TERM');
  host.close();
});

test('more sessions than MaxSessions wait until others end', async () => {
  const host = await connectHost(sshd.target, { knownHosts });
  const three = await Promise.all([0, 1, 2].map(() => host.start(['cat'])));
  const more = Array.from({ length: 8 }, (_, i) => host.run(['echo', `${i}`]));
  const first = await Promise.race([...more, new Promise((resolve) => setTimeout(resolve, 300, 'they wait'))]);
  assert.equal(first, 'they wait');
  three[0]!.stdin.end();
  three[0]!.stdout.resume();
  assert.deepEqual(
    (await Promise.all(more)).map(({ stdout }) => stdout),
    Array.from({ length: 8 }, (_, i) => `${i}\n`),
  );
  host.close();
});

test('SFTP lists files, and ports are forwarded both ways with the source address', async () => {
  const host = await connectHost(sshd.target, { knownHosts });
  const sftp = await host.sftp();
  const list = await promisify(sftp.readdir.bind(sftp))(sshd.dir);
  assert.ok(list.some((entry) => entry.filename === 'sshd_config'));
  sftp.end();

  const forward = await host.forwardIn('127.0.0.1', 0, (socket, source) => socket.end(`from ${source.address}`));
  const socket = connect({ port: forward.port, host: '127.0.0.1', localAddress: '127.0.0.9' });
  assert.equal(String((await waitForEvent('socket: data', socket, 'data'))[0]), 'from 127.0.0.9');
  const through = await host.forwardOut('127.0.0.1', forward.port);
  assert.equal(String((await waitForEvent('through: data', through, 'data'))[0]), 'from 127.0.0.1');
  await forward.close();
  await assert.rejects(host.forwardOut('127.0.0.1', forward.port), code('ssh/forward'));
  host.close();
});

test('a guest behind a worker is reached through the worker’s connection', async () => {
  const worker = await connectHost(sshd.target, { knownHosts });
  const socket = await worker.forwardOut('127.0.0.1', sshd.port);
  const guest = await connectHost({ ...sshd.target, label: 'guest' }, { knownHosts, socket });
  assert.equal((await guest.run(['echo', 'nested'])).stdout, 'nested\n');
  worker.close();
  await waitFor('the guest’s connection is closed with it', () => guest.gone.aborted);
});

test('a link survives a server restart: it reports the loss and reconnects', async () => {
  const pool = new LinkPool({ knownHosts, times: { first: 50, longest: 200 } });
  const link = pool.acquire(sshd.target);
  const host = await link.host();
  const running = await host.start(['cat']);
  await sshd.stop();
  await assert.rejects(running.exit, code('ssh/connection-lost'));
  await waitFor('it is down', () => (link.health.error as CiError | undefined)?.code === 'ssh/refused');
  await sshd.start();
  const again = await link.host(AbortSignal.timeout(5000));
  assert.equal((await again.run(['echo', 'back'])).stdout, 'back\n');
  pool.close();
});
