import assert from 'node:assert/strict';
import { test } from 'node:test';
import { MetadataRoute } from '../../../lib/metadata/route/route.ts';
import type { Host } from '../../../lib/ssh/types.ts';

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

test('rules that could not be taken back are taken back when the way is closed again', async () => {
  let away = false;
  let removals = 0;
  const host = workerHost(async () => {
    if (away) throw new Error('the worker is away');
    removals += 1;
  });
  const link = await new MetadataRoute('retried', async () => host).open(() => {}, signal);
  away = true;
  await assert.rejects(link.close(), /away/);
  away = false;
  const before = removals;
  await link.close();
  assert.equal(removals, before + 1);
  await link.close();
  assert.equal(removals, before + 1);
});
