import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetadataRoutes } from '../../../lib/metadata/routes.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import { scriptedHost } from '../../libvirt/scripted-host.ts';
import { freePort } from '../../support/free-port.ts';

const signal = AbortSignal.timeout(10_000);

/** A worker on which all programs succeed, each after `work`. */
const workerHost = (work: (text: string) => Promise<void>): Host =>
  ({
    label: 'worker host-a',
    gone: new AbortController().signal,
    forwardIn: async () => ({ port: 4000, close: async () => {} }),
    run: async (argv: readonly string[]) => {
      await work(argv[2]!);
      return { code: 0, stdout: '', stderr: '' };
    },
  }) as unknown as Host;

test('rules that could not be removed are removed when the link is closed again', async () => {
  let away = false;
  let removals = 0;
  const host = workerHost(async () => {
    if (away) throw new Error('the worker is away');
    removals += 1;
  });
  const link = await new MetadataRoutes().of('retried', async () => host).open(() => {}, signal);
  away = true;
  await assert.rejects(link.close(), /away/);
  away = false;
  const before = removals;
  await link.close();
  assert.equal(removals, before + 1);
  await link.close();
  assert.equal(removals, before + 1);
});

test('the ids of two Rechecks that imported the same flow are distinct words in their rules', async () => {
  const ids: string[] = [];
  const routes = new MetadataRoutes();
  for (const controller of ['c1c1c1c1c1c1', 'c2c2c2c2c2c2']) {
    // argv: sh -c PROGRAM recheck ID …
    const host = scriptedHost((argv) => {
      ids.push(argv[4]!);
      return {};
    });
    await routes.of(`${controller}_f00d.5`, async () => host).sweep(signal);
  }
  // Without a dash, which separates the id from what follows in a rule's comment.
  assert.deepEqual(ids, ['c1c1c1c1c1c1_f00d_5', 'c2c2c2c2c2c2_f00d_5']);
});

test('closing the routes closes the ports that are still listened on', async () => {
  const routes = new MetadataRoutes();
  const at = { address: '127.0.0.1', port: await freePort() };
  const host = workerHost(async () => {});
  await routes.of('left-open', async () => host).open(() => {}, signal, at);
  await routes.close();
  const link = await new MetadataRoutes().of('next', async () => host).open(() => {}, signal, at);
  await link.close();
});
