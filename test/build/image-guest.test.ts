import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { beforeEach, type TestContext, test } from 'node:test';
import { type ImageServices, makeInGuest } from '../../lib/build/image-guest.ts';
import { Leftovers } from '../../lib/build/leftovers.ts';
import { MetadataLinks } from '../../lib/build/services.ts';
import { CiError } from '../../lib/errors/ci-error.ts';
import { guestStopped, guestVanished } from '../../lib/errors/libvirt.ts';
import type { ConsoleWriter } from '../../lib/logs/console.ts';
import { MetadataService } from '../../lib/metadata/service.ts';
import { READY } from '../../lib/ssh/script-programs.ts';
import type { Host } from '../../lib/ssh/types.ts';
import type { ImageSource, ImageSpec, Worker } from '../../lib/worker/types.ts';

const making = { memory: 512, vcpus: 1, networks: [], userData: '', authorizedKeys: '', timeout: 30_000 };
const scripts = [{ name: 'first', user: '', interpreter: '', text: 'work' }];
const base: ImageSpec = { name: 'base', key: 'k1', source: { kind: 'url', url: 'http://x/a.img' }, loginUser: 'root' };
const source: ImageSource = { kind: 'parent', parent: base, scripts, making };
const image: ImageSpec = { name: 'child', key: 'k2', source, loginUser: 'root' };

let services: ImageServices;
/** What was done on the worker, in order. */
let did: string[];
/** Whether nothing there can be removed. */
let away: boolean;
let worker: { hypervisor: Partial<Worker['hypervisor']> };

/** A guest whose scripts run until they are stopped. */
const host = (): Host =>
  ({
    label: 'guest',
    gone: new AbortController().signal,
    close: () => did.push('logout'),
    async start() {
      const [stdin, stdout, stderr] = [new PassThrough(), new PassThrough(), new PassThrough()];
      const { promise: exit, resolve } = Promise.withResolvers<{ signal: string }>();
      stdin.once('data', () => {
        did.push('script');
        stderr.write(`${READY}\n`);
      });
      stdin.once('end', () => {
        stderr.end();
        stdout.end();
        resolve({ signal: 'TERM' });
      });
      return { stdin, stdout, stderr, exit, close() {} };
    },
  }) as unknown as Host;

beforeEach(() => {
  did = [];
  away = false;
  const remove = (what: string) => async () => {
    did.push(away ? `no ${what}` : what);
    if (away) throw new CiError({ code: 'ssh/connection-lost', message: 'worker w1: lost.', transient: true });
  };
  const made = {
    id: 'w1',
    label: 'worker w1',
    storage: { draft: async () => ({ name: 'x', path: '/ci/draft', disks: [] }), discard: remove('discard') },
    hypervisor: {
      boot: async () => ({ domain: 'd' }),
      address: async () => ({ host: '192.0.2.1', port: 22 }),
      console: async () => undefined,
      stop: remove('stop'),
    },
    linkMetadata: async () => ({ close: async () => {} }),
    login: async () => host(),
  };
  worker = made;
  const metadata = new MetadataService();
  services = {
    metadata,
    links: new MetadataLinks(metadata),
    key: { privateKey: '', publicKey: '' },
    controller: 'c1',
    leftovers: new Leftovers(),
  };
});

/** Makes the image; resolves once its script runs, with what ends it, and what it ends with. */
async function begin() {
  const ending = new AbortController();
  const console = { line() {}, write() {}, tail: () => [], lines: 0 } as unknown as ConsoleWriter;
  const made = makeInGuest(worker as Worker, image, source as Extract<ImageSource, { kind: 'parent' }>, services, {
    signal: ending.signal,
    console,
    onProgress() {},
  }).then(
    () => assert.fail('it was made'),
    (error: unknown) => error,
  );
  while (!did.includes('script')) await new Promise(setImmediate);
  return { made, end: () => ending.abort(new Error('not wanted')) };
}

/** Lets so many seconds go by, in steps in which what is tried comes to its end. */
async function pass(t: TestContext, seconds: number): Promise<void> {
  for (let at = 0; at < seconds; at += 5) {
    t.mock.timers.tick(5_000);
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  }
}

test('the worker’s disk fills up while a script runs: DISK_FULL, which may be tried again at once', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  worker.hypervisor.check = async () => {
    throw guestStopped('worker w1', 'd');
  };
  const { made } = await begin();
  await pass(t, 20);
  const error = await made;
  assert(error instanceof CiError && error.result === 'DISK_FULL' && error.transient, String(error));
  assert.deepEqual(did, ['stop', 'script', 'logout', 'stop', 'discard']);
});

test('it is DISK_FULL too where the guest cannot be removed then', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  worker.hypervisor.check = async () => {
    throw guestStopped('worker w1', 'd');
  };
  const { made } = await begin();
  away = true;
  await pass(t, 20);
  const error = await made;
  assert(error instanceof CiError && error.result === 'DISK_FULL', String(error));
});

test('a guest that powers off while a script runs is told as lost', async (t) => {
  t.mock.timers.enable({ apis: ['setInterval'] });
  worker.hypervisor.check = async () => {
    throw guestVanished('worker w1', 'd');
  };
  const { made } = await begin();
  await pass(t, 20);
  assert.match(String(await made), /Image child: its guest was lost at: first .*was up and is gone/);
});

test('a guest that a worker out of reach keeps, and its disk, are removed once that is back', async (t) => {
  // Before the first timer: one that is real could not be cleared any more, and would keep the process.
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const { made, end } = await begin();
  away = true;
  end();
  await made;
  did = [];
  await pass(t, 3600);
  assert.ok(did.length > 20 && did.every((what) => what.startsWith('no ')), `${did}`);
  away = false;
  did = [];
  await pass(t, 360);
  assert.deepEqual(did, ['stop', 'discard']);
});

test('what an earlier making left is not removed from under the next one', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const first = await begin();
  away = true;
  first.end();
  await first.made;
  away = false;
  did = [];
  const next = await begin();
  await pass(t, 30);
  assert.deepEqual(did, ['stop', 'script']);
  next.end();
  await next.made;
});
