import assert from 'node:assert/strict';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { text } from 'node:stream/consumers';
import { type TestContext, test } from 'node:test';
import type { Build } from '../../../lib/builds/build.ts';
import { BuildResources } from '../../../lib/builds/resources.ts';
import { Scheduler } from '../../../lib/builds/scheduler.ts';
import type { Services } from '../../../lib/builds/services.ts';
import { cloneStep } from '../../../lib/builds/steps/clone.ts';
import { CiError } from '../../../lib/errors/ci-error.ts';
import { noImage, storageFull } from '../../../lib/errors/storage.ts';
import { ImageBuilder } from '../../../lib/images/builder.ts';
import { Slots } from '../../../lib/store/slots.ts';
import type { Clone, ImageSpec, Storage, Worker } from '../../../lib/worker/types.ts';

const image: ImageSpec = {
  name: 'base',
  key: 'k',
  source: { kind: 'url', url: 'http://images/base' },
  loginUser: 'ci',
};

/** Makes a worker whose storage has no image at first. @param storage methods that differ */
function makeWorker(id: string, storage: Partial<Storage> = {}): Worker {
  let there = false;
  return {
    id,
    label: `worker ${id}`,
    slots: 1,
    isolated: true,
    storage: {
      has: async () => there,
      make: async () => {
        there = true;
      },
      clone: async (_: ImageSpec, name: string): Promise<Clone> => {
        if (!there) throw noImage(image.name);
        return { name, path: `/ci/${name}`, disks: [] };
      },
      ...storage,
    },
  } as unknown as Worker;
}

/** Makes a build and its services. */
async function setUp(t: TestContext) {
  const dir = await mkdtemp(join(tmpdir(), 'recheck-test-'));
  t.after(() => rm(dir, { recursive: true, force: true }));
  const resources = new BuildResources();
  const files = new Map<string, string>();
  const log = { addFile: async (name: string, stream: NodeJS.ReadableStream) => files.set(name, await text(stream)) };
  const build = {
    id: '1',
    attempt: 1,
    resources,
    log,
    set: { request: { trusted: true } },
    say() {},
  } as unknown as Build;
  const images = new ImageBuilder({} as Services, dir);
  const scheduler = new Scheduler(new Slots());
  const services = { scheduler, images } as unknown as Services;
  const progress: string[] = [];
  const warnings: string[] = [];
  const clone = (workers: Worker[], settings: Partial<Parameters<typeof cloneStep>[1]> = {}, signal?: AbortSignal) =>
    cloneStep(
      {
        build,
        signal: signal ?? new AbortController().signal,
        progress: (what, values) => progress.push(`${what} ${values?.['text'] ?? ''}`.trim()),
        warn: (message) => warnings.push(message),
      },
      {
        node: 'clone',
        image,
        workers: () => workers,
        guest: 'vm',
        addressEnv: '',
        wait: 1_000,
        later: () => [],
        ...settings,
      },
      services,
    );
  return { resources, files, images, scheduler, progress, warnings, clone };
}

test('a missing image is built, with progress, and then cloned', async (t) => {
  const { resources, progress, clone } = await setUp(t);
  const worker = makeWorker('a');
  const make = worker.storage.make;
  worker.storage.make = async (spec, options) => {
    options.onProgress?.('62 %');
    return make.call(worker.storage, spec, options);
  };
  const { result, payload } = await clone([worker]);
  assert.equal(result, 'SUCCESS');
  assert.deepEqual(payload, { guest: 'vm', host: 'worker a', image: 'base', clone: 'recheck-1-1-vm' });
  assert.deepEqual(progress, ['cloning', 'image 62 %']);
  assert.equal(resources.guests.get('vm')?.clone?.path, '/ci/recheck-1-1-vm');
});

test('a build that uses an older image gets a warning', async (t) => {
  const { resources, warnings, clone } = await setUp(t);
  const worker = makeWorker('a', {
    make: async () => {
      throw new CiError({ code: 'image/refused', blame: 'image', message: 'The server said 404.' });
    },
    clone: async ({ key }, name) => {
      if (key !== 'before') throw noImage(image.name);
      return { name, path: `/ci/${name}`, disks: [] };
    },
  });
  const { result } = await clone([worker], { image: { ...image, former: [{ ...image, key: 'before' }] } });
  assert.equal(result, 'SUCCESS');
  assert.match(warnings.join('\n'), /base@before.*The server said 404/);
  assert(resources.guests.get('vm')?.clone);
});

test('an image that fails after the build was aborted causes no unhandled rejection', async (t) => {
  const { clone } = await setUp(t);
  const aborted = new AbortController();
  const worker = makeWorker('a', {
    // Aborts while the worker is asked.
    has: async () => {
      aborted.abort(new Error('not wanted'));
      return false;
    },
    make: async () => {
      throw new Error('no such file');
    },
  });
  const loose: unknown[] = [];
  const onLoose = (reason: unknown) => loose.push(reason);
  process.on('unhandledRejection', onLoose);
  await assert.rejects(clone([worker], {}, aborted.signal), /not wanted/);
  await new Promise((resolve) => setTimeout(resolve, 10));
  process.off('unhandledRejection', onLoose);
  assert.deepEqual(loose, []);
});

test('the console of a failed image build is among the build’s files', async (t) => {
  const { files, images, clone } = await setUp(t);
  const worker = makeWorker('a', {
    make: async () => {
      throw new CiError({ code: 'image/script', blame: 'image', message: 'Image base: script init failed.' });
    },
  });
  await writeFile(images.consoleFile(worker, image), 'pip: command not found\n');
  await assert.rejects(clone([worker]), /script init failed/);
  assert.deepEqual([...files], [['images/base.log', 'pip: command not found\n']]);
});

test('a host where the image failed recently is avoided if there is another', async (t) => {
  const { resources, clone } = await setUp(t);
  const bad = makeWorker('a', {
    make: async () => {
      throw new CiError({ code: 'image/script', blame: 'image', message: 'Image base: script init failed.' });
    },
  });
  Object.assign(bad, { slots: 9 });
  await assert.rejects(clone([bad]), /script init failed/);
  await resources.release(async () => {});
  resources.worker = undefined;
  await clone([bad, makeWorker('b')], { guest: 'other' });
  assert.equal((resources.worker as Worker | undefined)?.id, 'b');
});

test('two parallel clones of a build take one slot on one host', async (t) => {
  const { resources, clone } = await setUp(t);
  const workers = [makeWorker('a'), makeWorker('b')];
  await Promise.all([clone(workers, { guest: 'master' }), clone(workers, { guest: 'slave' })]);
  const hosts = [...resources.guests.values()].map(({ worker }) => worker.id);
  assert.equal(hosts.length, 2);
  assert.equal(new Set(hosts).size, 1);
});

test('a guest that is being cloned keeps what a parallel branch sets on it', async (t) => {
  const { resources, clone } = await setUp(t);
  const worker = makeWorker('a');
  const make = worker.storage.make;
  const metadata = { hostKey: undefined, loggedIn() {}, drop() {} };
  worker.storage.make = async (spec, options) => {
    resources.guests.get('vm')!.metadata = metadata;
    return make.call(worker.storage, spec, options);
  };
  await clone([worker]);
  assert.equal(resources.guests.get('vm')!.metadata, metadata);
  assert.ok(resources.guests.get('vm')!.clone);
});

test('a host whose disk was full is used again once a clone succeeds there', async (t) => {
  const { resources, scheduler, clone } = await setUp(t);
  const worker = makeWorker('a');
  Object.assign(worker, { slots: 9 });
  const other = makeWorker('b');
  const taken = async (workers: Worker[], guest: string) => {
    await resources.release(async () => {});
    resources.worker = undefined;
    await clone(workers, { guest });
    return (resources.worker as Worker | undefined)?.id;
  };
  scheduler.noteFault(worker, storageFull('Clone recheck-1-1-vm', 'worker a'));
  assert.equal(await taken([worker, other], 'first'), 'b');
  assert.equal(await taken([worker], 'second'), 'a');
  assert.equal(await taken([worker, other], 'third'), 'a');
});

test('a later guest whose node does not allow the build’s host is refused, with advice', async (t) => {
  const { resources, clone } = await setUp(t);
  const [a, b] = [makeWorker('a'), makeWorker('b')];
  await clone([a], { guest: 'master' });
  await assert.rejects(clone([b], { guest: 'slave', node: 'clone slave' }), (error: CiError) => {
    assert.equal(error.code, 'build/other-worker');
    assert.equal(error.result, 'ERROR');
    assert.match(error.message, /^clone slave: .* on worker a, .* worker b\..* same worker hosts/);
    return true;
  });
  assert.deepEqual([...resources.guests.keys()], ['master']);
  // A deploy creates another worker object for the same node.
  await clone([makeWorker('a'), b], { guest: 'slave' });
});

test('of two guests cloned in parallel, the one whose node does not allow the host is refused', async (t) => {
  const { clone } = await setUp(t);
  const ended = await Promise.allSettled([
    clone([makeWorker('a')], { guest: 'master' }),
    clone([makeWorker('b')], { guest: 'slave' }),
  ]);
  assert.deepEqual(
    ended.map((end) => (end.status === 'rejected' ? end.reason.code : 'cloned')),
    ['cloned', 'build/other-worker'],
  );
});

test('the first guest takes a host that later guests may use and where none of their images failed recently', async (t) => {
  const { resources, images, clone } = await setUp(t);
  const [a, b, c] = ['a', 'b', 'c'].map((id) => makeWorker(id)) as [Worker, Worker, Worker];
  Object.assign(a, { slots: 9 });
  Object.assign(b, { slots: 8 });
  const theirs = { ...image, name: 'theirs' };
  b.storage.has = async () => false;
  b.storage.make = async () => {
    throw new CiError({ code: 'image/script', blame: 'image', message: 'Image theirs: script init failed.' });
  };
  await assert.rejects(images.provide(b, theirs, { signal: new AbortController().signal }), /init failed/);
  await clone([a, b, c], { later: () => [{ image: theirs, workers: [b, c] }] });
  assert.equal(resources.worker?.id, 'c');
});

test('if no host fits all guests of a lane, the first takes any of its own', async (t) => {
  const { resources, clone } = await setUp(t);
  await clone([makeWorker('a')], { later: () => [{ image, workers: [makeWorker('b')] }] });
  assert.equal(resources.worker?.id, 'a');
});

test('of two parallel branches that clone a guest of the same name, one is refused', async (t) => {
  const { clone } = await setUp(t);
  const worker = makeWorker('a');
  const ended = await Promise.allSettled([clone([worker]), clone([worker])]);
  assert.deepEqual(
    ended.map((end) => (end.status === 'rejected' ? end.reason.code : 'cloned')),
    ['cloned', 'build/guest-twice'],
  );
});
