import assert from 'node:assert/strict';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import type { Services } from '../../lib/builds/services.ts';
import { CiError } from '../../lib/errors/ci-error.ts';
import { workerSilent } from '../../lib/errors/image.ts';
import { noImage, storageFull } from '../../lib/errors/storage.ts';
import { ImageBuilder } from '../../lib/images/builder.ts';
import { imageFolder } from '../../lib/storage/names.ts';
import type { CallOptions, ImageSpec, Owner, Worker } from '../../lib/worker/types.ts';

const within = () => ({ signal: AbortSignal.timeout(10_000) });
const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 1 };
const source = { kind: 'url', url: 'http://x/a.img' } as const;
const [third, second, first] = ['k3', 'k2', 'k1'].map(
  (key): ImageSpec => ({ name: 'base', key, source, loginUser: 'root' }),
) as [ImageSpec, ImageSpec, ImageSpec];
const image: ImageSpec = { ...third, former: [second, first] };

let dir: string;
let builder: ImageBuilder;
/** The images on the worker; `old` are those to be made again because their source has changed. */
let images: Map<string, 'current' | 'old'>;
/** Why no image can be built. */
let fault: Error | undefined;
let worker: Worker;
let warnings: string[];

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), 'recheck-image-'));
  builder = new ImageBuilder({} as Services, dir);
  images = new Map();
  fault = undefined;
  warnings = [];
  worker = {
    id: 'w1',
    label: 'worker w1',
    storage: {
      has: async (spec: ImageSpec) => images.get(imageFolder(spec)) === 'current',
      async make(spec: ImageSpec) {
        if (fault) throw fault;
        images.set(imageFolder(spec), 'current');
      },
      async clone(spec: ImageSpec, name: string, _: Owner, { old }: CallOptions & { old?: boolean }) {
        const state = images.get(imageFolder(spec));
        if (state === undefined || (state === 'old' && !old)) throw noImage(spec.name);
        return { name, path: imageFolder(spec), disks: [] };
      },
      collect: async (keep: ImageSpec[]) => keep.map(imageFolder),
    },
  } as unknown as Worker;
});
afterEach(async () => {
  await builder.close();
  await rm(dir, { recursive: true, force: true });
});

const clone = async (): Promise<string> =>
  (await builder.clone(worker, image, 'c', owner, { ...within(), onWarning: (text) => warnings.push(text) })).path;
const refuse = () => {
  fault = new CiError({ code: 'image/refused', blame: 'image', message: 'The server said 404.' });
};

test('a renewal that succeeds is used without a warning', async () => {
  images.set('base@k2', 'current');
  assert.equal(await clone(), 'base@k3');
  assert.deepEqual(warnings, []);
});

test('while a renewal fails, the previous image is used, with a warning that says why', async () => {
  images.set('base@k1', 'current').set('base@k2', 'current');
  refuse();
  assert.equal(await clone(), 'base@k2');
  assert.equal(warnings.length, 1);
  assert.match(warnings[0]!, /Image base could not be renewed.*base@k2.*The server said 404/s);
  // Also while the failed one is held back.
  images.delete('base@k2');
  assert.equal(await clone(), 'base@k1');
  assert.match(warnings[1]!, /base@k1.*It failed just now/s);
  fault = undefined;
  builder.forget(worker, image);
  assert.equal(await clone(), 'base@k3');
});

test('an image whose folder on the worker has changed but cannot be copied is used as it was', async () => {
  images.set('base@k3', 'old');
  refuse();
  assert.equal(await clone(), 'base@k3');
  assert.match(warnings[0]!, /base@k3/);
});

test('without a previous image, a failed renewal ends the build', async () => {
  refuse();
  await assert.rejects(clone(), /The server said 404/);
  assert.deepEqual(warnings, []);
});

test('the previous image is used if the disk is full; a lost worker is left to the next attempt', async () => {
  images.set('base@k2', 'current');
  fault = storageFull('Image base', 'worker w1');
  assert.equal(await clone(), 'base@k2');
  fault = workerSilent('Image base', 'worker w1', 10);
  await assert.rejects(clone(), /did not finish it within 10 min/);
});

test('previous images are kept until the renewed one exists', async () => {
  assert.deepEqual(await builder.collect(worker, [image], within()), ['base@k3', 'base@k2', 'base@k1']);
  images.set('base@k3', 'current');
  assert.deepEqual(await builder.collect(worker, [image], within()), ['base@k3']);
});
