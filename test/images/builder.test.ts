import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { CleanupQueue } from '../../lib/builds/cleanup/queue.ts';
import { CiError } from '../../lib/errors/ci-error.ts';
import { noImage } from '../../lib/errors/storage.ts';
import { guestDied } from '../../lib/errors/worker.ts';
import { ImageBuilder, type ProvideOptions } from '../../lib/images/builder.ts';
import { MetadataLinks } from '../../lib/metadata/links.ts';
import { MetadataService } from '../../lib/metadata/service.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { imageFolder } from '../../lib/storage/names.ts';
import type { GuestSpec, ImageSpec, Worker } from '../../lib/worker/types.ts';
import { sayingGuest } from '../guests/saying-guest.ts';

const within = () => ({ signal: AbortSignal.timeout(10_000) });
const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 1 };
const base: ImageSpec = { name: 'base', key: 'k1', source: { kind: 'url', url: 'http://x/a.img' }, loginUser: 'root' };
const making = { memory: 512, vcpus: 1, networks: [], userData: '', authorizedKeys: '', timeout: 5_000 };
const scripts = ['first', 'second'].map((name) => ({ name, user: '', interpreter: '', text: `say ${name}` }));
const child: ImageSpec = {
  name: 'child',
  key: 'k2',
  source: { kind: 'parent', parent: base, scripts, making },
  loginUser: 'root',
};

let dir: string;
let builder: ImageBuilder;
let metadata: MetadataService;
/** What was done on the worker, in order. */
let did: string[];
let images: Set<string>;
let worker: { -readonly [Key in keyof Worker]: Worker[Key] };
/** What the next build of the base image waits for. */
let download: Promise<void>;
let exitCode: number;
/** The guest that was booted last. */
let booted: GuestSpec;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'recheck-image-'));
  did = [];
  images = new Set();
  download = Promise.resolve();
  exitCode = 0;
  const note =
    <T>(what: string, value: T) =>
    async (): Promise<T> => {
      did.push(what);
      return value;
    };
  worker = {
    id: 'w1',
    label: 'worker w1',
    bootsSystems: true,
    storage: {
      has: async (image: ImageSpec) => images.has(imageFolder(image)),
      async make(image: ImageSpec, { onProgress }: ProvideOptions) {
        did.push(`make ${image.name}`);
        onProgress?.('50 %');
        await download;
        images.add(imageFolder(image));
      },
      async clone(image: ImageSpec, name: string) {
        if (!images.has(imageFolder(image))) throw noImage(image.name);
        return { name, path: `/ci/${name}`, disks: [] };
      },
      draft: async (image: ImageSpec) => ({ name: imageFolder(image), path: '/ci/draft', disks: [] }),
      async adopt(image: ImageSpec) {
        did.push('adopt');
        images.add(imageFolder(image));
      },
      discard: note('discard', undefined),
      collect: async (keep: ImageSpec[]) => keep.map(imageFolder),
    },
    hypervisor: {
      async boot(spec: GuestSpec) {
        did.push('boot');
        booted = spec;
        return { domain: spec.domain };
      },
      addresses: note('addresses', [{ host: '192.0.2.1', port: 22 }]),
      console: async () => Readable.from([Buffer.from('kernel: hello\n')]),
      shutdown: note('shutdown', undefined),
      stop: note('stop', undefined),
    },
    linkMetadata: async () => ({ close: note('unlink', undefined) }),
    login: async () => sayingGuest(did, exitCode),
  } as unknown as Worker;
  metadata = new MetadataService();
  const links = new MetadataLinks(metadata);
  const key = generateKeyPair('test');
  builder = new ImageBuilder(
    { metadata, links, key, controller: owner.controller, cleanupQueue: new CleanupQueue() },
    dir,
  );
});
afterEach(async () => {
  mock.timers.reset();
  await builder.close();
  await rm(dir, { recursive: true, force: true });
});

test('an image is built once for all who wait, and each is told its progress', async () => {
  const gate = Promise.withResolvers<void>();
  download = gate.promise;
  const heard: string[][] = [[], []];
  const both = heard.map((texts, i) =>
    builder.clone(worker, base, `c${i}`, owner, { ...within(), onProgress: (text) => texts.push(text) }),
  );
  const givesUp = new AbortController();
  const third = builder.provide(worker, base, { signal: givesUp.signal });
  while (builder.state(worker, base)?.state !== 'making' || did.length === 0) await new Promise(setImmediate);
  givesUp.abort(new Error('superseded'));
  await assert.rejects(third, /superseded/);
  gate.resolve();
  assert.deepEqual(
    (await Promise.all(both)).map(({ name }) => name),
    ['c0', 'c1'],
  );
  assert.deepEqual(did, ['make base']);
  assert.deepEqual(heard, [['50 %'], ['50 %']]);
  assert.equal(builder.state(worker, base), undefined);
});

test('an image with scripts is built in a guest of its parent, shut down and then kept', async () => {
  const said: string[] = [];
  await builder.provide(worker, child, { ...within(), onProgress: (text) => said.push(text) });
  assert.deepEqual(did, [
    'make base',
    'stop',
    'boot',
    'addresses',
    'cloud-init',
    'say first',
    'say second',
    'seal',
    'logout',
    'shutdown',
    'stop',
    'adopt',
    'stop',
    'unlink',
  ]);
  assert.deepEqual(said, [
    'base: 50 %',
    'cloning',
    'booting',
    'waiting for SSH at 192.0.2.1',
    'waiting for cloud-init',
    'first (1 of 2)',
    'second (2 of 2)',
    'shutting down',
    'keeping',
  ]);
  assert.match(await readFile(builder.consoleFile(worker, child), 'utf8'), /the end of say second/);
});

test('the guest of an image build differs from that of another Recheck that builds the same image', async () => {
  const { boot } = worker.hypervisor;
  let owns: [mine: boolean, others: boolean] | undefined;
  worker.hypervisor.boot = async (spec, options) => {
    owns = [builder.owns(spec.owner), builder.owns({ ...spec.owner, controller: 'c2c2c2c2c2c2' })];
    return boot(spec, options);
  };
  await builder.provide(worker, child, within());
  assert.deepEqual(owns, [true, false]);
  assert.equal(booted.owner.controller, owner.controller);
  assert.match(booted.domain, /c1c1c1c1c1c1/, 'of which one would end the other by its name');
  assert.equal(builder.owns(booted.owner), false, 'once it is made');
});

test('a script that fails is named, nothing is kept, and the console has its output', async () => {
  exitCode = 3;
  await assert.rejects(builder.provide(worker, child, within()), (error) => {
    assert(error instanceof CiError);
    assert.match(
      error.message,
      /Image child: its script first ended with exit code 3; its output ends with: "the end of say first"/,
    );
    assert.equal(error.result, 'NODE_FAILURE');
    return true;
  });
  assert(!did.includes('adopt') && !did.includes('say second'));
  assert.deepEqual(did.slice(-4), ['logout', 'stop', 'unlink', 'discard']);
  assert.match(await readFile(builder.consoleFile(worker, child), 'utf8'), /the end of say first[\s\S]*kernel: hello/);
});

test('an image that could not be sealed is not kept', async () => {
  for (const sealing of [1, null]) {
    worker.login = async () => sayingGuest(did, 0, sealing);
    await assert.rejects(builder.provide(worker, child, within()), (error) => {
      assert(error instanceof CiError);
      assert.match(error.message, sealing === 1 ? /its script that seals it ended with exit code 1/ : /connection/);
      return true;
    });
    assert.ok(!did.includes('adopt') && !images.has('child@k2'), did.join());
    builder.forget(worker, child);
  }
});

test('an image that failed is not built again for half an hour, unless somebody asks for it', async () => {
  mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  exitCode = 3;
  await assert.rejects(builder.provide(worker, child, within()));
  const before = did.length;
  mock.timers.setTime(1_000_000 + 29 * 60_000);
  await assert.rejects(builder.provide(worker, child, within()), /exit code 3.*It failed 29 min ago/s);
  assert.equal(did.length, before);
  assert.equal(builder.state(worker, child)?.state, 'failed');

  builder.forget(worker, child);
  await assert.rejects(builder.provide(worker, child, within()), /exit code 3/);
  assert(did.length > before);
  mock.timers.setTime(1_000_000 + 60 * 60_000);
  exitCode = 0;
  await builder.provide(worker, child, within());
  assert(images.has('child@k2'));
});

test('a child image is held back no longer than the parent that failed, and not once that exists', async () => {
  const minute = (n: number) => mock.timers.setTime(1_000_000 + n * 60_000);
  mock.timers.enable({ apis: ['Date'], now: 1_000_000 });
  download = Promise.reject(new CiError({ code: 'image/not-found', blame: 'image', message: 'no such address' }));
  download.catch(() => undefined);
  await assert.rejects(builder.provide(worker, base, within()), /no such address/);
  minute(29);
  await assert.rejects(builder.provide(worker, child, within()), /no such address.*It failed 29 min ago/s);
  const state = builder.state(worker, child);
  assert(state?.state === 'failed' && state.rests && state.since === 1_000_000, 'its parent holds it up');
  assert.deepEqual(did, ['make base']);
  minute(31);
  await assert.rejects(
    builder.provide(worker, child, within()),
    (error: Error) => !/min ago|just now/.test(error.message),
  );
  assert.deepEqual(did, ['make base', 'make base']);

  // "Build now" of the parent alone.
  download = Promise.resolve();
  builder.forget(worker, base);
  await builder.provide(worker, base, within());
  await builder.provide(worker, child, within());
  assert(images.has('child@k2'));
});

test('the console of an earlier build is not shown for a failure of the parent', async () => {
  exitCode = 3;
  await assert.rejects(builder.provide(worker, child, within()), /exit code 3/);
  assert.match(await readFile(builder.consoleFile(worker, child), 'utf8'), /the end of say first/);
  builder.forget(worker, child);
  images.clear();
  download = Promise.reject(new CiError({ code: 'image/not-found', blame: 'image', message: 'no such address' }));
  download.catch(() => undefined);
  await assert.rejects(builder.provide(worker, child, within()), /no such address/);
  assert.equal(builder.state(worker, child)?.state, 'failed');
  await assert.rejects(readFile(builder.consoleFile(worker, child)), { code: 'ENOENT' });
});

test('a worker that was cut off is reported, and the next who needs the image tries again', async () => {
  const { draft } = worker.storage;
  worker.storage.draft = async () => {
    throw new CiError({
      code: 'ssh/connection-lost',
      blame: 'worker',
      isConnectionLost: true,
      message: 'worker w1: lost',
      retryable: true,
    });
  };
  await assert.rejects(builder.provide(worker, child, within()), /worker w1: lost/);
  const state = builder.state(worker, child);
  assert(state?.state === 'failed' && !state.rests && /worker w1: lost/.test(state.error.message));
  worker.storage.draft = draft;
  await builder.provide(worker, child, within());
  assert.equal(builder.state(worker, child), undefined);
  assert(images.has('child@k2'));
});

test('a guest that dies before an SSH login ends the build at once', async () => {
  worker.login = async () => {
    throw guestDied('d', 'powered off', '');
  };
  await assert.rejects(builder.provide(worker, child, within()), /did not boot: Guest d powered off/);
});

test('images that are set or being built are kept, and so are their parents', async () => {
  const gate = Promise.withResolvers<void>();
  download = gate.promise;
  const other: ImageSpec = { ...base, name: 'other' };
  const wait = builder.provide(worker, other, within());
  while (!did.includes('make other')) await new Promise(setImmediate);
  assert.deepEqual(await builder.collect(worker, [child], within()), ['child@k2', 'base@k1', 'other@k1']);
  gate.resolve();
  await wait;
});
