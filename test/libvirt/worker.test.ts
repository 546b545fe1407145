import assert from 'node:assert/strict';
import { test } from 'node:test';
import { libvirtWorker } from '../../lib/libvirt/worker.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import { freePort } from '../support/free-port.ts';
import { scriptedHost } from './scripted-host.ts';

const signal = AbortSignal.timeout(10_000);
const source = async () => assert.fail('nothing is asked of the machine');

test('the metadata server listens on this machine where the worker is this machine, and there only', async () => {
  const worker = (isHere: boolean) =>
    libvirtWorker({
      id: 'a',
      controller: 'c1c1c1c1c1c1',
      label: 'worker host-a',
      slots: 1,
      source,
      storage: hostStorage({ kind: 'btrfs', place: '/ci', host: source }),
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
  // Only the rules of other ways would be asked for.
  const link = await worker(true).linkMetadata(() => {}, { signal, listenAt });
  await assert.rejects(link.close(), /nothing is asked/);
});

test('the metadata rules of two Rechecks that imported the same flow are told apart', async () => {
  const ids = new Set<string>();
  for (const controller of ['c1c1c1c1c1c1', 'c2c2c2c2c2c2']) {
    // argv: sh -c PROGRAM recheck ID …
    const host = scriptedHost((argv) => {
      ids.add(argv[4]!);
      return {};
    });
    const worker = libvirtWorker({
      id: 'f00d.5',
      controller,
      label: 'worker host-a',
      slots: 1,
      source: async () => host,
      storage: hostStorage({ kind: 'btrfs', place: '/ci', host: source }),
      type: 'qemu',
      knownHosts: new KnownHosts('/nowhere/known-hosts.json'),
    });
    await worker.sweepMetadata!({ signal });
  }
  // Without a dash: the next begins what follows it in a rule's comment.
  assert.deepEqual([...ids], ['c1c1c1c1c1c1_f00d_5', 'c2c2c2c2c2c2_f00d_5']);
});
