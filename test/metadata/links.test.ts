import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetadataLinks } from '../../lib/metadata/links.ts';
import type { MetadataService } from '../../lib/metadata/service.ts';
import type { ListenAt, Worker } from '../../lib/worker/types.ts';

/** A worker that notes each link that is opened and closed; one at port 1 cannot be opened. */
function workerWithLinks() {
  const opened: string[] = [];
  const worker = {
    linkMetadata: async (_: unknown, { listenAt }: { listenAt?: ListenAt }) => {
      const link = listenAt ? `${listenAt.address}:${listenAt.port}` : 'own';
      if (listenAt?.port === 1) throw new Error('the port is taken');
      opened.push(`open ${link}`);
      return { close: async () => void opened.push(`close ${link}`) };
    },
  } as unknown as Worker;
  const links = new MetadataLinks({ serverFor: () => () => {} } as unknown as MetadataService);
  return { worker, links, opened, signal: new AbortController().signal };
}

test('builds on one worker share a link, unless they listen at different addresses', async () => {
  const { worker, links, opened, signal } = workerWithLinks();
  const listen = await links.acquire(worker, signal, { address: '192.0.2.1', port: 8080 });
  const own = await links.acquire(worker, signal);
  const other = await links.acquire(worker, signal, { address: '192.0.2.1', port: 8081 });
  const shared = await links.acquire(worker, signal, { port: 8080, address: '192.0.2.1' });
  assert.deepEqual(opened.splice(0), ['open 192.0.2.1:8080', 'open own', 'open 192.0.2.1:8081']);
  await listen.release();
  await own.release();
  assert.deepEqual(opened.splice(0), ['close own']);
  await shared.release();
  await other.release();
  assert.deepEqual(opened, ['close 192.0.2.1:8080', 'close 192.0.2.1:8081']);
});

test('a link that cannot be opened does not affect builds that use another one', async () => {
  const { worker, links, opened, signal } = workerWithLinks();
  const refused = assert.rejects(links.acquire(worker, signal, { address: '192.0.2.1', port: 1 }), /taken/);
  const own = await links.acquire(worker, signal);
  await refused;
  assert.deepEqual(opened, ['open own']);
  await own.release();
});
