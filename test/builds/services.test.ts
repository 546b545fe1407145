import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controllerOf, MetadataLinks } from '../../lib/builds/services.ts';
import type { MetadataService } from '../../lib/metadata/service.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import type { ListenAt, Worker } from '../../lib/worker/types.ts';

test('a controller is known by its key, whatever comment that has', () => {
  const { publicKey } = generateKeyPair('one');
  const [type, key] = publicKey.split(' ');
  const id = controllerOf(publicKey);
  assert.match(id, /^[0-9a-f]{12}$/);
  assert.equal(controllerOf(`${type} ${key}`), id);
  assert.equal(controllerOf(`${type} ${key} other comment\n`), id);
  assert.notEqual(controllerOf(generateKeyPair('one').publicKey), id);
});

/** A worker that notes each way that is opened and closed; one at the port 1 cannot be opened. */
function workerWithWays() {
  const ways: string[] = [];
  const worker = {
    linkMetadata: async (_: unknown, { listenAt }: { listenAt?: ListenAt }) => {
      const way = listenAt ? `${listenAt.address}:${listenAt.port}` : 'own';
      if (listenAt?.port === 1) throw new Error('the port is taken');
      ways.push(`open ${way}`);
      return { close: async () => void ways.push(`close ${way}`) };
    },
  } as unknown as Worker;
  const links = new MetadataLinks({ serverFor: () => () => {} } as unknown as MetadataService);
  return { worker, links, ways, signal: new AbortController().signal };
}

test('builds of one worker share a way; one that is set to another way has its own', async () => {
  const { worker, links, ways, signal } = workerWithWays();
  const listen = await links.acquire(worker, signal, { address: '192.0.2.1', port: 8080 });
  const own = await links.acquire(worker, signal);
  const other = await links.acquire(worker, signal, { address: '192.0.2.1', port: 8081 });
  const shared = await links.acquire(worker, signal, { port: 8080, address: '192.0.2.1' });
  assert.deepEqual(ways.splice(0), ['open 192.0.2.1:8080', 'open own', 'open 192.0.2.1:8081']);
  await listen.release();
  await own.release();
  assert.deepEqual(ways.splice(0), ['close own']);
  await shared.release();
  await other.release();
  assert.deepEqual(ways, ['close 192.0.2.1:8080', 'close 192.0.2.1:8081']);
});

test('a way that cannot be opened is no fault of a build that takes another', async () => {
  const { worker, links, ways, signal } = workerWithWays();
  const refused = assert.rejects(links.acquire(worker, signal, { address: '192.0.2.1', port: 1 }), /taken/);
  const own = await links.acquire(worker, signal);
  await refused;
  assert.deepEqual(ways, ['open own']);
  await own.release();
});
