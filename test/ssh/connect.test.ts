import assert from 'node:assert/strict';
import { generateKeyPairSync } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { connectHost } from '../../lib/ssh/connect.ts';
import { generateKeyPair, publicKeyOf } from '../../lib/ssh/keys.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import type { SshTarget } from '../../lib/ssh/types.ts';
import { startSshServer, type TestSshServer } from '../support/ssh-server.ts';
import { waitFor, waitForEvent } from '../support/wait.ts';

const dir = mkdtempSync(join(tmpdir(), 'connect-'));
const own = generateKeyPair('ci');
const rsa = generateKeyPairSync('rsa', { modulusLength: 3072 }).privateKey.export({
  type: 'pkcs1',
  format: 'pem',
}) as string;
let files = 0;
const fresh = (): KnownHosts => new KnownHosts(join(dir, `hosts-${files++}.json`));
let server: TestSshServer;
let target: SshTarget;

before(async () => {
  server = await startSshServer({ authorized: [own.publicKey, publicKeyOf(rsa)] });
  target = { label: 'worker a', host: '127.0.0.1', port: server.port, user: 'root', privateKey: own.privateKey };
});
after(async () => {
  await server.close();
  rmSync(dir, { recursive: true });
});

const refusal =
  (code: string, ...words: string[]) =>
  (error: CiError) => {
    assert.equal(error.code, code, error.stack);
    for (const word of words) assert.ok(error.message.includes(word), error.message);
    return true;
  };

test('a login succeeds, and closing it leaves nothing behind', async () => {
  const host = await connectHost(target, { knownHosts: fresh() });
  assert.equal((await host.run(['echo', 'hello'])).stdout, 'hello\n');
  host.close();
  assert.ok(host.gone.aborted);
  await waitFor('the server sees the end', () => server.connections.size === 0);
});

test('an RSA key signs with SHA-2', async () => {
  const host = await connectHost({ ...target, privateKey: rsa }, { knownHosts: fresh() });
  host.close();
  assert.match(String(server.algorithms.at(-1)), /sha(256|512)/);
});

test('a host name that does not exist is a clear error', async () => {
  await assert.rejects(
    connectHost({ ...target, host: 'no-such-host.invalid' }, { knownHosts: fresh() }),
    refusal('ssh/name-not-found', 'worker a (root@no-such-host.invalid'),
  );
});

test('a refused connection is a clear error', async () => {
  const listener = createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  await new Promise((resolve) => listener.close(resolve));
  await assert.rejects(
    connectHost({ ...target, port }, { knownHosts: fresh() }),
    refusal('ssh/refused', `port ${port}`),
  );
});

test('a server that sends nothing is given up at the time limit', async () => {
  const sockets: import('node:net').Socket[] = [];
  const listener = createServer((socket) => sockets.push(socket)).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  try {
    await assert.rejects(
      connectHost({ ...target, port }, { knownHosts: fresh(), timeout: 200 }),
      refusal('ssh/no-answer', '0.2 s'),
    );
    await waitFor('the socket is gone', () => sockets.every((socket) => socket.resume().destroyed));
  } finally {
    listener.close();
  }
});

test('a server that does not speak SSH is a clear error', async () => {
  const listener = createServer((socket) => socket.end('HTTP/1.1 400 Bad Request\r\n\r\n')).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  try {
    await assert.rejects(connectHost({ ...target, port }, { knownHosts: fresh() }), refusal('ssh/handshake'));
  } finally {
    listener.close();
  }
});

test('a refused key says which line to add, and where', async () => {
  const other = generateKeyPair('recheck');
  const asOther = { ...target, privateKey: other.privateKey };
  await assert.rejects(
    connectHost(asOther, { knownHosts: fresh() }),
    refusal('ssh/key-refused', '/root/.ssh/authorized_keys', other.publicKey),
  );
  await assert.rejects(
    connectHost({ ...asOther, keysPlace: "Gerrit's settings" }, { knownHosts: fresh() }),
    refusal('ssh/key-refused', `Add this line to Gerrit's settings: ${other.publicKey}`),
  );
});

test('the banner of a server is part of the error of a failed login, as plain text of bounded length', async () => {
  const nologin =
    'System is booting up. Unprivileged users are not permitted to log in yet. Please come back later. For technical details, see pam_nologin(8).';
  const at = async (banner: string, admitsNobody: boolean, work: (to: SshTarget) => Promise<void>): Promise<void> => {
    const talking = await startSshServer({ authorized: [own.publicKey], banner, admitsNobody });
    try {
      await work({ ...target, port: talking.port });
    } finally {
      await talking.close();
    }
  };
  const stranger = generateKeyPair('stranger');
  await at(`${nologin}\r\n`, true, async (to) => {
    await assert.rejects(connectHost(to, { knownHosts: fresh() }), refusal('ssh/login-ended', `it says: "${nologin}"`));
    await assert.rejects(
      connectHost({ ...to, privateKey: stranger.privateKey }, { knownHosts: fresh() }),
      refusal('ssh/key-refused', `refused this key (it says: "${nologin}"). Add this line to `, stranger.publicKey),
    );
  });
  const hostile = `${'x'.repeat(20_000)}\n\x1b[31mStay\x07 out\x1b]0;title\x07\u202e\r\n`;
  await at(hostile, true, async (to) => {
    await assert.rejects(connectHost(to, { knownHosts: fresh() }), (error: CiError) => {
      assert.match(error.message, /it says: "x+… \/ Stay out"|it says: "x+…"/);
      assert.doesNotMatch(error.message, /[\x00-\x1f\u202e]/);
      assert.ok(error.message.length < 700, String(error.message.length));
      return true;
    });
  });
  await at(nologin, false, async (to) => {
    (await connectHost(to, { knownHosts: fresh() })).close();
  });
});

test('a first key is pinned; another is refused with both fingerprints and kept as offered', async () => {
  const knownHosts = fresh();
  (await connectHost(target, { knownHosts })).close();
  assert.equal(knownHosts.entry('127.0.0.1', server.port).pinned, server.fingerprint);

  await server.close();
  const changed = await startSshServer({ authorized: [own.publicKey], port: server.port });
  try {
    await assert.rejects(
      connectHost(target, { knownHosts }),
      refusal('ssh/host-key-changed', `changed from ${server.fingerprint} to ${changed.fingerprint}`),
    );
    assert.equal(changed.logins, 0);
    assert.equal(knownHosts.entry('127.0.0.1', server.port).offered, changed.fingerprint);
    knownHosts.accept('127.0.0.1', server.port);
    (await connectHost(target, { knownHosts })).close();
  } finally {
    await changed.close();
    server = await startSshServer({ authorized: [own.publicKey], hostKey: server.hostKey, port: server.port });
  }
});

test('a host key in the settings is the only one trusted, and nothing is pinned', async () => {
  const knownHosts = fresh();
  const line = publicKeyOf(server.hostKey);
  for (const hostKey of [server.fingerprint, line]) {
    (await connectHost({ ...target, hostKey }, { knownHosts })).close();
  }
  await assert.rejects(
    connectHost({ ...target, hostKey: generateKeyPair('').publicKey }, { knownHosts }),
    refusal('ssh/host-key-changed', server.fingerprint, 'settings'),
  );
  await assert.rejects(
    connectHost({ ...target, hostKey: 'MD5:aa:bb' }, { knownHosts }),
    refusal('ssh/host-key-setting'),
  );
  assert.deepEqual(knownHosts.entry('127.0.0.1', server.port), { pinned: undefined, offered: undefined });
});

test('an unreadable key is reported before anything is connected', async () => {
  await assert.rejects(
    connectHost({ ...target, privateKey: 'nonsense' }, { knownHosts: fresh() }),
    refusal('ssh/key-unreadable'),
  );
});

test('an abort ends the login with its reason', async () => {
  const listener = createServer(() => {}).listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const abort = new AbortController();
  const reason = new Error('enough');
  const connecting = connectHost({ ...target, port }, { knownHosts: fresh(), signal: abort.signal });
  setTimeout(() => abort.abort(reason), 50);
  try {
    await assert.rejects(connecting, (error) => error === reason);
    await assert.rejects(
      connectHost(target, { knownHosts: fresh(), signal: abort.signal }),
      (error) => error === reason,
    );
  } finally {
    listener.close();
  }
});

test('a connection can use a socket that is already open', async () => {
  const socket = connect(server.port, '127.0.0.1');
  const host = await connectHost({ ...target, host: '10.255.255.1' }, { knownHosts: fresh(), socket });
  assert.equal((await host.run(['echo', 'through'])).stdout, 'through\n');
  host.close();
  await waitFor('the socket is closed', () => socket.destroyed);
});

test('a connection over a given socket is lost when the far end of the socket closes', async (t) => {
  // Like a channel of another host: its far end is gone, and it stays open for writing.
  const relay = createServer({ allowHalfOpen: true }).listen(0, '127.0.0.1');
  await once(relay, 'listening');
  const near = connect({ port: (relay.address() as AddressInfo).port, host: '127.0.0.1', allowHalfOpen: true });
  const [far] = (await waitForEvent('relay: connection', relay, 'connection')) as [Socket];
  const through = connect(server.port, '127.0.0.1');
  far.pipe(through);
  through.pipe(far, { end: false });
  t.after(() => {
    for (const socket of [near, far, through]) socket.destroy();
    relay.close();
  });
  const host = await connectHost(target, { knownHosts: fresh(), socket: near });
  far.end();
  await waitFor('the connection is lost', () => host.gone.aborted, 60_000);
  await assert.rejects(host.run(['true']), refusal('ssh/connection-lost'));
});

test('a given socket is not left open if the login cannot begin', async () => {
  const socket = connect(server.port, '127.0.0.1');
  await waitForEvent('socket: connect', socket, 'connect');
  const broken = new KnownHosts(dir);
  await assert.rejects(connectHost(target, { knownHosts: broken, socket }), { code: 'ssh/known-hosts' });
  assert.ok(socket.destroyed);
});
