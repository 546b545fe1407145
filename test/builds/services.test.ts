import assert from 'node:assert/strict';
import { test } from 'node:test';
import { controllerOf, MetadataLinks } from '../../lib/builds/services.ts';
import type { MetadataService } from '../../lib/metadata/service.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import type { ListenAt, Worker } from '../../lib/worker/types.ts';

test('the controller id depends on the key, not on its comment', () => {
  const { publicKey } = generateKeyPair('one');
  const [type, key] = publicKey.split(' ');
  const id = controllerOf(publicKey);
  assert.match(id, /^[0-9a-f]{12}$/);
  assert.equal(controllerOf(`${type} ${key}`), id);
  assert.equal(controllerOf(`${type} ${key} other comment\n`), id);
  assert.notEqual(controllerOf(generateKeyPair('one').publicKey), id);
});

/** Makes a worker that records the metadata routes opened and closed; one on port 1 fails to open. */
function workerWithRoutes() {
  const routes: string[] = [];
  const worker = {
    linkMetadata: async (_: unknown, { listenAt }: { listenAt?: ListenAt }) => {
      const route = listenAt ? `${listenAt.address}:${listenAt.port}` : 'own';
      if (listenAt?.port === 1) throw new Error('the port is taken');
      routes.push(`open ${route}`);
      return { close: async () => void routes.push(`close ${route}`) };
    },
  } as unknown as Worker;
  const links = new MetadataLinks({ serverFor: () => () => {} } as unknown as MetadataService);
  return { worker, links, routes, signal: new AbortController().signal };
}

test('builds on one worker share a route, unless they listen on different addresses', async () => {
  const { worker, links, routes, signal } = workerWithRoutes();
  const listen = await links.acquire(worker, signal, { address: '192.0.2.1', port: 8080 });
  const own = await links.acquire(worker, signal);
  const other = await links.acquire(worker, signal, { address: '192.0.2.1', port: 8081 });
  const shared = await links.acquire(worker, signal, { port: 8080, address: '192.0.2.1' });
  assert.deepEqual(routes.splice(0), ['open 192.0.2.1:8080', 'open own', 'open 192.0.2.1:8081']);
  await listen.release();
  await own.release();
  assert.deepEqual(routes.splice(0), ['close own']);
  await shared.release();
  await other.release();
  assert.deepEqual(routes, ['close 192.0.2.1:8080', 'close 192.0.2.1:8081']);
});

test('a route that cannot be opened does not affect a build that uses another', async () => {
  const { worker, links, routes, signal } = workerWithRoutes();
  const refused = assert.rejects(links.acquire(worker, signal, { address: '192.0.2.1', port: 1 }), /taken/);
  const own = await links.acquire(worker, signal);
  await refused;
  assert.deepEqual(routes, ['open own']);
  await own.release();
});
