import assert from 'node:assert/strict';
import { test } from 'node:test';
import { libvirtWorker } from '../../lib/libvirt/worker.ts';
import { MetadataRoutes } from '../../lib/metadata/routes.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import { freePort } from '../support/free-port.ts';

const signal = AbortSignal.timeout(10_000);
const source = async () => assert.fail('nothing is asked of the machine');

test('the metadata server listens on this machine only if the worker is this machine', async () => {
  const worker = (isHere: boolean) =>
    libvirtWorker({
      id: 'a',
      label: 'worker host-a',
      slots: 1,
      source,
      storage: hostStorage({ kind: 'btrfs', place: '/ci', host: source }),
      route: new MetadataRoutes().of('c1c1c1c1c1c1_a', source),
      type: 'qemu',
      knownHosts: new KnownHosts('/nowhere/known-hosts.json'),
      isHere,
    });
  const listenAt = { address: '127.0.0.1', port: await freePort() };
  await assert.rejects(
    worker(false).linkMetadata(() => {}, { signal, listenAt }),
    {
      code: 'worker/metadata-elsewhere',
      message:
        /^worker host-a: .*could not be attributed to guests\. Choose access inside the worker's SSH connection\.$/,
    },
  );
  // Only the rules of other routes would be read.
  const link = await worker(true).linkMetadata(() => {}, { signal, listenAt });
  await assert.rejects(link.close(), /nothing is asked/);
});
