import assert from 'node:assert/strict';
import { once } from 'node:events';
import { createServer, type RequestListener } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import { readMetadata } from '../../../lib/sandbox/guest/metadata-client.ts';

async function serve(t: TestContext, listener: RequestListener): Promise<string> {
  const server = createServer(listener).listen(0, '127.0.0.1');
  t.after(() => {
    server.close();
    server.closeAllConnections();
  });
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const read = (baseUrl: string, timeout: number, log: string[] = []) =>
  readMetadata({ baseUrl, address: '127.64.8.1', timeout, log: (text) => log.push(text) });

test("metadata is read in cloud-init's order from the guest's address, and retried until the server is ready", async (t) => {
  const requested: string[] = [];
  const files: Record<string, string> = {
    'meta-data/instance-id': 'i-1',
    'meta-data/public-keys/': '0=key-0\n1=key-1',
    'meta-data/public-keys/0/openssh-key': 'ssh-ed25519 AAAA one\n',
    'meta-data/public-keys/1/openssh-key': 'ssh-ed25519 AAAA two\n',
  };
  let notReady = 2;
  const log: string[] = [];
  const url = await serve(t, (request, response) => {
    assert.equal(request.socket.remoteAddress, '127.64.8.1');
    const path = request.url!.replace('/2009-04-04/', '');
    requested.push(path);
    if (notReady-- > 0) response.writeHead(notReady ? 503 : 404).end();
    else if (files[path] === undefined) response.writeHead(404).end();
    else response.end(files[path]);
  });
  assert.deepEqual(await read(url, 10_000, log), {
    instanceId: 'i-1',
    hostname: 'i-1',
    publicKeys: ['ssh-ed25519 AAAA one', 'ssh-ed25519 AAAA two'],
    userData: '',
  });
  assert.deepEqual(requested, [
    'meta-data/instance-id',
    'meta-data/instance-id',
    'meta-data/instance-id',
    'meta-data/hostname',
    'meta-data/public-keys/',
    'meta-data/public-keys/0/openssh-key',
    'meta-data/public-keys/1/openssh-key',
    'user-data',
  ]);
  assert.match(log[0]!, /the answer was 503; asking again/);
});

test('if a server never answers, an error with the last reason is thrown at the time limit', async (t) => {
  const silent = await serve(t, () => {});
  await assert.rejects(read(silent, 400), /no metadata from .*instance-id: no answer in time/);
  await assert.rejects(read('http://127.0.0.1:1', 1_000), /ECONNREFUSED/);
});

test('an endless answer is abandoned and requested again', async (t) => {
  let requests = 0;
  const url = await serve(t, (_request, response) => {
    if (++requests > 1) return response.end('i-1');
    // Each piece is written when the previous one was sent, until the client disconnects.
    const more = (error?: Error | null) => {
      if (!error) response.write('x'.repeat(65_536), more);
    };
    more();
  });
  const log: string[] = [];
  assert.equal((await read(url, 20_000, log)).instanceId, 'i-1');
  assert.match(log[0]!, /the answer is longer than 1048576 bytes; asking again/);
});
