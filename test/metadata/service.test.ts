import assert from 'node:assert/strict';
import { once } from 'node:events';
import { Agent, get, request } from 'node:http';
import { connect } from 'node:net';
import { text } from 'node:stream/consumers';
import { after, before, test } from 'node:test';
import { MetadataService } from '../../lib/metadata/service.ts';
import type { MetadataDocument } from '../../lib/metadata/types.ts';
import { openMetadataLink } from '../../lib/sandbox/worker/metadata-link.ts';
import type { MetadataLink, Worker } from '../../lib/worker/types.ts';
import { waitForEvent } from '../support/wait.ts';

const document = (name: string): MetadataDocument => ({
  instanceId: name,
  hostname: name,
  authorizedKeys: [],
  userData: '',
  vendorData: '',
});
const owners: Record<string, string> = { '127.64.9.1': 'ann', '127.64.9.2': 'bob', '127.64.9.3': 'unknown' };
let lookups = 0;
let broken = false;
// Only what the service needs of a worker.
const worker = {
  id: 'w1',
  hypervisor: {
    domainAt: async (address: string) => {
      lookups++;
      if (broken) throw new Error('the worker is gone');
      return owners[address];
    },
  },
} as unknown as Worker;
const service = new MetadataService();
let link: MetadataLink;
let port: number;

before(async () => {
  link = await openMetadataLink('w1', service.serverFor(worker), new AbortController().signal);
  port = Number(new URL(link.url!).port);
  service.put('w1', 'ann', document('ann'));
  service.put('w1', 'bob', document('bob'));
  service.put('another worker', 'unknown', document('secret'));
});
after(() => link.close());

async function ask(address: string, path = '/latest/meta-data/instance-id', agent?: Agent) {
  const [response] = await once(
    get(`${link.url}${path}`, { localAddress: address, agent: agent ?? false }),
    'response',
  );
  return { status: response.statusCode, body: await text(response) };
}

test('each guest reads its own metadata, identified by its address alone', async () => {
  assert.deepEqual(await ask('127.64.9.1'), { status: 200, body: 'ann' });
  assert.deepEqual(await ask('127.64.9.2'), { status: 200, body: 'bob' });
  assert.equal((await ask('127.64.9.2', '/latest/meta-data/local-ipv4')).body, '127.64.9.2');
});

test('unknown sources, guests of other workers, and withdrawn documents get 404', async () => {
  assert.equal((await ask('127.0.0.1')).status, 404);
  assert.equal((await ask('127.64.9.3')).status, 404);
  service.put('w1', 'unknown', document('late'));
  assert.equal((await ask('127.64.9.3')).body, 'late');
  service.drop('w1', 'unknown');
  assert.equal((await ask('127.64.9.3')).status, 404);
});

test('a kept connection is looked up once, and HEAD has no body', async () => {
  const agent = new Agent({ keepAlive: true, maxSockets: 1 });
  lookups = 0;
  for (let i = 0; i < 5; i++) assert.equal((await ask('127.64.9.1', '/latest/', agent)).status, 200);
  assert.equal(lookups, 1);
  agent.destroy();
  const head = request(`${link.url}/latest/meta-data/hostname`, {
    method: 'HEAD',
    localAddress: '127.64.9.1',
    agent: false,
  });
  const [response] = await waitForEvent('head.end: response', head.end(), 'response');
  assert.equal(response.headers['content-length'], '3');
  assert.equal(await text(response), '');
});

test('while the worker cannot be asked, the guest is told to retry', async () => {
  broken = true;
  try {
    assert.equal((await ask('127.64.9.1')).status, 503);
  } finally {
    broken = false;
  }
});

/** Sends bytes as a guest would, and returns everything received until the connection closes. */
async function raw(bytes: string): Promise<string> {
  const socket = connect({ port, host: '127.0.0.1', localAddress: '127.64.9.1' });
  socket.on('error', () => {});
  socket.end(bytes);
  let all = '';
  socket.on('data', (chunk) => (all += chunk));
  await waitForEvent('socket: close', socket, 'close');
  return all;
}

test('bodies, huge heads and garbage only end their connection', async () => {
  const post = `PUT /latest/api/token HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n${'x'.repeat(100_000)}`;
  assert.match(await raw(post), /^HTTP\/1.1 413 /);
  assert.match(await raw('GET / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n'), /^HTTP\/1.1 413 /);
  assert.equal(await raw(`GET /${'a'.repeat(20_000)} HTTP/1.1\r\n\r\n`), '');
  assert.equal(await raw('\0\0\0 rubbish\r\n\r\n'), '');
  assert.equal((await ask('127.64.9.1')).body, 'ann');
});

test('a guest that opens many idle connections locks out only itself', async () => {
  const sockets = Array.from({ length: 40 }, () => connect({ port, host: '127.0.0.1', localAddress: '127.64.9.1' }));
  let closed = 0;
  const enough = Promise.withResolvers<void>();
  for (const socket of sockets) {
    socket.on('error', () => {});
    socket.on('close', () => ++closed === 24 && enough.resolve());
  }
  await enough.promise;
  assert.equal((await ask('127.64.9.2')).body, 'bob');
  for (const socket of sockets) socket.destroy();
  // Closed connections no longer count.
  for (let tries = 0; ; tries++) {
    const answer = await ask('127.64.9.1').catch(() => undefined);
    if (answer?.body === 'ann') break;
    assert.ok(tries < 200, 'still locked out');
  }
});

test('the link closes with its connections', async () => {
  const own = await openMetadataLink('w2', service.serverFor(worker), new AbortController().signal);
  const socket = connect({ port: Number(new URL(own.url!).port), host: '127.0.0.1' });
  await waitForEvent('socket: connect', socket, 'connect');
  const closed = waitForEvent('socket: close', socket, 'close');
  await own.close();
  await closed;
  await assert.rejects(once(connect({ port: Number(new URL(own.url!).port), host: '127.0.0.1' }), 'connect'), {
    code: 'ECONNREFUSED',
  });
});
