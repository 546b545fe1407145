import assert from 'node:assert/strict';
import { PassThrough } from 'node:stream';
import { beforeEach, type TestContext, test } from 'node:test';
import { CleanupQueue } from '../../lib/builds/cleanup/queue.ts';
import { CiError } from '../../lib/errors/ci-error.ts';
import { diskFull, guestHalted, guestVanished } from '../../lib/errors/libvirt.ts';
import { buildInGuest } from '../../lib/images/build-in-guest.ts';
import type { ImageServices } from '../../lib/images/services.ts';
import type { ConsoleWriter } from '../../lib/logs/console.ts';
import { MetadataLinks } from '../../lib/metadata/links.ts';
import { MetadataService } from '../../lib/metadata/service.ts';
import { READY } from '../../lib/ssh/script.ts';
import type { Host } from '../../lib/ssh/types.ts';
import type { ImageSource, ImageSpec, Worker } from '../../lib/worker/types.ts';
import { greeting, isGreeting } from '../support/greeting.ts';

const making = { memory: 512, vcpus: 1, networks: [], userData: '', authorizedKeys: '', timeout: 30_000 };
const scripts = [{ name: 'first', user: '', interpreter: '', text: 'work' }];
const base: ImageSpec = { name: 'base', key: 'k1', source: { kind: 'url', url: 'http://x/a.img' }, loginUser: 'root' };
const source: ImageSource = { kind: 'parent', parent: base, scripts, making };
const image: ImageSpec = { name: 'child', key: 'k2', source, loginUser: 'root' };

let services: ImageServices;
/** What was done on the worker, in order. */
let did: string[];
/** Whether nothing can be removed on the worker. */
let away: boolean;
let worker: { hypervisor: Partial<Worker['hypervisor']> };
/** How the guest's cloud-init ends. */
let cloudInit: { code: number; stdout?: string };

/** A guest whose scripts run until they are stopped. */
const host = (): Host =>
  ({
    label: 'guest',
    gone: new AbortController().signal,
    close: () => did.push('logout'),
    async run(argv: string[]) {
      if (isGreeting(argv)) return greeting('boot-1');
      did.push('cloud-init');
      return { stdout: '', stderr: '', ...cloudInit };
    },
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
  cloudInit = { code: 0 };
  const remove = (what: string) => async () => {
    did.push(away ? `no ${what}` : what);
    if (away)
      throw new CiError({
        code: 'ssh/connection-lost',
        blame: 'worker',
        isConnectionLost: true,
        message: 'worker w1: lost.',
        retryable: true,
      });
  };
  const made = {
    id: 'w1',
    label: 'worker w1',
    bootsSystems: true,
    storage: { draft: async () => ({ name: 'x', path: '/ci/draft', disks: [] }), discard: remove('discard') },
    hypervisor: {
      boot: async () => ({ domain: 'd' }),
      addresses: async () => [{ host: '192.0.2.1', port: 22 }],
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
    cleanupQueue: new CleanupQueue(),
  };
});

/** Builds the image; returns the error that it ends with. */
function make(signal = new AbortController().signal): Promise<unknown> {
  const console = { line() {}, write() {}, tail: () => [], lines: 0 } as unknown as ConsoleWriter;
  const parent = source as Extract<ImageSource, { kind: 'parent' }>;
  return buildInGuest(worker as Worker, image, parent, services, { signal, console, onProgress() {} }).then(
    () => assert.fail('it was built'),
    (error: unknown) => error,
  );
}

/** Builds the image; resolves once its script runs, with functions that end it. */
async function begin() {
  const ending = new AbortController();
  let told: ((fault: CiError) => void) | undefined;
  worker.hypervisor.watch = (_domain, tell) => {
    told = tell;
    return () => {};
  };
  const made = make(ending.signal);
  while (!did.includes('script')) await new Promise(setImmediate);
  return { made, end: () => ending.abort(new Error('not wanted')), tell: (fault: CiError) => told!(fault) };
}

/** Advances the mocked clock by so many seconds, in steps in which each retry can finish. */
async function pass(t: TestContext, seconds: number): Promise<void> {
  for (let at = 0; at < seconds; at += 5) {
    t.mock.timers.tick(5_000);
    for (let turn = 0; turn < 5; turn += 1) await new Promise(setImmediate);
  }
}

const full = () => diskFull('worker w1', 'd', 'No space left on device');

test('a worker’s disk that fills up while a script runs ends as DISK_FULL, which may be retried at once', async () => {
  const { made, tell } = await begin();
  tell(full());
  const error = await made;
  assert(error instanceof CiError && error.result === 'DISK_FULL' && error.retryable, String(error));
  assert.deepEqual(did, ['stop', 'cloud-init', 'script', 'logout', 'stop', 'discard']);
});

test('it ends as DISK_FULL also if the guest cannot be removed then', async () => {
  const { made, tell } = await begin();
  away = true;
  tell(full());
  const error = await made;
  assert(error instanceof CiError && error.result === 'DISK_FULL', String(error));
});

test('a guest that powers off or hangs while a script runs is reported as lost', async () => {
  for (const fault of [guestVanished('worker w1', 'd'), guestHalted('worker w1', 'd', 'paused (unknown)', '')]) {
    did = [];
    const { made, tell } = await begin();
    tell(fault);
    assert.match(
      String(await made),
      /Image child: its guest was lost during: first .*(was running and is gone|libvirt reports)/,
    );
  }
});

test('a guest whose cloud-init fails does not become an image, and no script runs in it', async () => {
  cloudInit = { code: 1, stdout: 'errors:\n- RuntimeError: no such package\n' };
  const error = await make();
  assert.match(String(error), /cloud-init failed \(exit 1\): - RuntimeError: no such package/);
  assert.deepEqual(did, ['stop', 'cloud-init', 'logout', 'stop', 'discard']);
});

test('the guest and disk on a worker that was cut off are removed once it is back', async (t) => {
  // Before the first timer: a real one could no longer be cleared, and would keep the process alive.
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

test('leftovers of an earlier build are not removed while the next one uses them', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  const first = await begin();
  away = true;
  first.end();
  await first.made;
  away = false;
  did = [];
  const next = await begin();
  await pass(t, 30);
  assert.deepEqual(did, ['stop', 'cloud-init', 'script']);
  next.end();
  await next.made;
});
