import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { type AddressInfo, connect, createServer, type Socket } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { hostNow } from '../../lib/ssh/host-within.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import { LinkPool } from '../../lib/ssh/link-pool.ts';
import type { LinkHealth, SshTarget } from '../../lib/ssh/types.ts';
import { startSshServer, type TestSshServer } from '../support/ssh-server.ts';
import { waitFor } from '../support/wait.ts';

const dir = mkdtempSync(join(tmpdir(), 'link-pool-'));
const own = generateKeyPair('ci');
const pools: LinkPool[] = [];
let files = 0;
let server: TestSshServer;
let target: SshTarget;

before(async () => {
  server = await startSshServer({ authorized: [own.publicKey] });
  target = { label: 'gerrit', host: '127.0.0.1', port: server.port, user: 'ci', privateKey: own.privateKey };
});
afterEach(async () => {
  for (const pool of pools.splice(0)) pool.close();
  await waitFor('no connection is left', () => server.connections.size === 0);
  // Sockets, servers and timers that keep the process alive; the test runner has pipes of its own.
  await waitFor('no timer and no socket of a client is left', () => {
    const alive = process.getActiveResourcesInfo();
    return !alive.includes('TCPSocketWrap') && !alive.includes('Timeout');
  });
});
after(async () => {
  await server.close();
  rmSync(dir, { recursive: true });
});

function newPool(times = {}): { pool: LinkPool; knownHosts: KnownHosts } {
  const knownHosts = new KnownHosts(join(dir, `hosts-${files++}.json`));
  const pool = new LinkPool({ knownHosts, times: { first: 20, grace: 100, ...times } });
  pools.push(pool);
  return { pool, knownHosts };
}

const within = (milliseconds: number): AbortSignal => AbortSignal.timeout(milliseconds);
const codeOf = (health: LinkHealth): string | undefined => (health.error as CiError | undefined)?.code;

test('all holders of a target share one connection, whatever its label', async () => {
  const { pool } = newPool();
  const before = server.logins;
  const links = [pool.acquire(target), pool.acquire({ ...target, label: 'the same' }), pool.acquire(target)];
  const hosts = await Promise.all(links.map((link) => link.host()));
  assert.equal(new Set(hosts).size, 1);
  assert.equal(server.logins, before + 1);
  assert.deepEqual(links[0]!.health, { state: 'up' });
  assert.equal(links[1]!.target.label, 'the same');
});

test('other credentials are another connection', async () => {
  const { pool } = newPool();
  const one = await pool.acquire(target).host();
  const two = await pool.acquire({ ...target, user: 'other' }).host();
  assert.notEqual(one, two);
});

test('a connection survives a release and a new acquire; after a release alone it is closed when the grace period ends', async () => {
  const { pool } = newPool();
  const before = server.logins;
  const link = pool.acquire(target);
  const host = await link.host();
  link.release();
  link.release();
  await assert.rejects(link.host());
  const again = pool.acquire(target);
  assert.equal(await again.host(), host);
  again.release();
  assert.ok(!host.gone.aborted);
  await waitFor('the connection is closed', () => host.gone.aborted);
  const third = await pool.acquire(target).host();
  assert.notEqual(third, host);
  assert.equal(server.logins, before + 2);
});

test('a connection that nobody holds is closed only after the commands that run over it have ended', async () => {
  const { pool } = newPool({ grace: 30 });
  const link = pool.acquire(target);
  const host = await link.host();
  const running = await host.start(['cat']);
  running.stdout.resume();
  link.release();
  // Several grace periods; the command's own answer proves that it still runs.
  for (let graces = 0; graces < 3; graces++) await host.run(['sleep', '0.05']);
  assert.ok(!host.gone.aborted);
  running.stdin.end();
  assert.deepEqual(await running.exit, { code: 0 });
  await waitFor('the connection is closed', () => host.gone.aborted);
});

test('hostNow rejects with the error of the next try instead of waiting', async () => {
  const { pool } = newPool({ first: 60_000, longest: 60_000, slow: 60_000 });
  const { port, hostKey } = server;
  await server.close();
  const link = pool.acquire(target);
  const refused = { code: 'ssh/refused' };
  await assert.rejects(hostNow(link, within(5_000)), refused);
  await assert.rejects(hostNow(link, within(5_000)), refused);
  server = await startSshServer({ authorized: [own.publicKey], hostKey, port });
  assert.equal((await hostNow(link, within(5_000))).label, 'gerrit');
  // A fault that only a person can fix does not cause login after login.
  const stranger = pool.acquire({ ...target, privateKey: generateKeyPair('stranger').privateKey });
  await assert.rejects(hostNow(stranger, within(5_000)), { code: 'ssh/key-refused' });
  const tries: string[] = [];
  stranger.onHealth(({ state }) => tries.push(state));
  await assert.rejects(hostNow(stranger, within(5_000)), { code: 'ssh/key-refused' });
  assert.deepEqual(tries, []);
  // But from time to time it is tried for whoever waits: it may be fixed.
  await assert.rejects(hostNow(stranger, within(5_000), 0), { code: 'ssh/key-refused' });
  await waitFor('it was tried again', () => tries.length >= 2);
});

test('a link reconnects when the server returns, and reports each change', async () => {
  const { pool } = newPool({ longest: 50 });
  const link = pool.acquire(target);
  const seen: LinkHealth[] = [];
  link.onHealth((health) => seen.push(health));
  const host = await link.host();
  await server.close();
  await waitFor('it is down', () => seen.some((health) => codeOf(health) === 'ssh/refused'));
  assert.equal((host.gone.reason as CiError).code, 'ssh/connection-lost');
  const down = seen.find((health) => health.state === 'down')!;
  assert.equal(codeOf(down), 'ssh/connection-lost');
  assert.ok(Math.abs(down.retryAt! - Date.now()) < 5000);

  const waiting = link.host(within(5000));
  server = await startSshServer({ authorized: [own.publicKey], hostKey: server.hostKey, port: server.port });
  const next = await waiting;
  assert.equal((await next.run(['echo', 'back'])).stdout, 'back\n');
  assert.deepEqual(link.health, { state: 'up' });
  assert.deepEqual([...new Set(seen.map((health) => health.state))].sort(), ['connecting', 'down', 'up']);
});

test('a server that accepts the connection but sends nothing is given up, and tried again', async () => {
  const sockets: Socket[] = [];
  const listener = createServer((socket) => sockets.push(socket.on('error', () => {}).resume()));
  await once(listener.listen(0, '127.0.0.1'), 'listening');
  const { pool } = newPool({ timeout: 100 });
  const link = pool.acquire({ ...target, port: (listener.address() as AddressInfo).port });
  await waitFor('it was tried twice', () => sockets.length >= 2);
  assert.equal(codeOf(link.health), 'ssh/no-answer');
  await assert.rejects(link.host(within(50)), (error: Error) => error.name === 'TimeoutError');
  pool.close();
  await waitFor('its sockets are closed', () => sockets.every((socket) => socket.destroyed));
  listener.close();
});

test('a server that stops answering is noticed by keep-alive', async () => {
  // A proxy between client and server, which can be blocked without closing anything.
  const inside: Socket[] = [];
  const door = createServer((socket) => {
    const onward = connect(server.port, '127.0.0.1');
    for (const end of [socket, onward]) inside.push(end.on('error', () => {}));
    socket.pipe(onward).pipe(socket);
  });
  await once(door.listen(0, '127.0.0.1'), 'listening');
  const { pool } = newPool({ keepAlive: 30, timeout: 300 });
  const link = pool.acquire({ ...target, port: (door.address() as AddressInfo).port });
  const host = await link.host();
  for (const socket of inside) socket.unpipe().pause();
  await waitFor('the connection is given up', () => host.gone.aborted);
  assert.match((host.gone.reason as Error).message, /connection was lost \(Keepalive timeout\)/);
  pool.close();
  for (const socket of inside) socket.destroy();
  door.close();
});

test('a refused key is retried slowly, or on request', async () => {
  const { pool } = newPool({ slow: 60_000 });
  const stranger = generateKeyPair('stranger');
  const link = pool.acquire({ ...target, privateKey: stranger.privateKey });
  await waitFor('it is down', () => link.health.state === 'down');
  assert.equal(codeOf(link.health), 'ssh/key-refused');
  assert.ok(link.health.retryAt! > Date.now() + 50_000);
  const { port, hostKey } = server;
  await server.close();
  server = await startSshServer({ authorized: [own.publicKey, stranger.publicKey], hostKey, port });
  link.retry();
  assert.ok(await link.host(within(5000)));
});

test('a changed host key stops the link until the new one is accepted', async () => {
  const { pool, knownHosts } = newPool();
  await pool.acquire(target).host();
  pool.close();
  const { port } = server;
  await server.close();
  server = await startSshServer({ authorized: [own.publicKey], port });
  const link = pool.acquire(target);
  await waitFor('it is down', () => link.health.state === 'down');
  assert.equal(codeOf(link.health), 'ssh/host-key-changed');
  assert.equal(knownHosts.entry('127.0.0.1', port).offered, server.fingerprint);
  knownHosts.accept('127.0.0.1', port);
  link.retry();
  assert.ok(await link.host(within(5000)));
});

test('closing the pool ends every wait', async () => {
  const { pool } = newPool();
  const link = pool.acquire({ ...target, privateKey: 'nonsense' });
  const waiting = link.host();
  await waitFor('it is down', () => link.health.state === 'down');
  assert.equal(codeOf(link.health), 'ssh/key-unreadable');
  pool.close();
  await assert.rejects(waiting, (error: CiError) => error.code === 'ssh/closed');
  await assert.rejects(link.host(), (error: CiError) => error.code === 'ssh/closed');
});
