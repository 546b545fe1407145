import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Build } from '../../../lib/builds/build.ts';
import { BuildFinisher } from '../../../lib/builds/cleanup/finisher.ts';
import { CleanupQueue } from '../../../lib/builds/cleanup/queue.ts';
import { BuildResources } from '../../../lib/builds/resources.ts';
import { logWriteFailed } from '../../../lib/errors/logs.ts';
import type { Guest } from '../../../lib/guests/guest.ts';
import { FakeFlow } from '../../support/fake-flow.ts';

test('leftovers on an unreachable worker are reported once, and removed when it is back', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const removed: string[] = [];
  let away = true;
  const worker = {
    label: 'worker a',
    hypervisor: {
      console: async () => undefined,
      async stop(domain: string) {
        if (away) throw new Error('the worker is away.');
        removed.push(domain);
      },
    },
    storage: {
      async remove(clone: string) {
        removed.push(clone);
      },
    },
  };
  const resources = new BuildResources();
  resources.guests.set('vm', {
    name: 'vm',
    worker,
    domain: 'd',
    booted: true,
    image: { name: 'base' },
  } as unknown as Guest);
  const said: string[] = [];
  const build = {
    id: '1',
    attempt: 1,
    label: '1,1',
    resources,
    running: new Set(),
    clock: { stop() {} },
    set: { request: { node: 'jobs' } },
    say: (text: string) => said.push(text),
  } as unknown as Build;
  const flow = new FakeFlow([]);
  await new BuildFinisher(flow, new CleanupQueue()).finish(build);
  const pass = async (minutes: number) => {
    for (let at = 0; at < minutes * 12; at += 1) {
      t.mock.timers.tick(5_000);
      for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
    }
  };
  await pass(120);
  assert.deepEqual(removed, []);
  away = false;
  await pass(6);
  assert.deepEqual(removed, ['d', 'd']);
  const words = ['Guest d on worker a could not be removed: the worker is away. Recheck will keep trying.'];
  assert.deepEqual(flow.warnings(), words);
  assert.deepEqual(said, words);
});

test('a passed build whose log cannot be closed does not vote, and warns once', async () => {
  const full = logWriteFailed('/logs/console.log', Object.assign(new Error('ENOSPC'), { code: 'ENOSPC' }));
  const pages: unknown[] = [];
  const log = {
    console: { saved: async () => Promise.reject(full) },
    finish: async (page: unknown) => {
      pages.push(page);
      throw full;
    },
  };
  const build = {
    label: '1,1',
    resources: new BuildResources(),
    running: new Set(),
    clock: { stop() {} },
    set: { request: { node: 'jobs' } },
    log,
    result: undefined as string | undefined,
    recordResult(result: string) {
      this.result ??= result;
    },
    page() {
      return this.result;
    },
  };
  const flow = new FakeFlow([]);
  await new BuildFinisher(flow, new CleanupQueue()).finish(build as unknown as Build);
  assert.equal(build.result, 'DISK_FULL');
  assert.deepEqual(pages, ['DISK_FULL'], 'the last page shows it');
  assert.deepEqual(flow.warnings(), [full.message]);
});
