import assert from 'node:assert/strict';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { CleanupQueue } from '../../lib/builds/cleanup/queue.ts';
import { CiError } from '../../lib/errors/ci-error.ts';
import { logInToGuest } from '../../lib/guests/login.ts';
import { ImageBuilder } from '../../lib/images/builder.ts';
import { libvirtWorker } from '../../lib/libvirt/worker.ts';
import { MetadataLinks } from '../../lib/metadata/links.ts';
import { MetadataRoutes } from '../../lib/metadata/routes.ts';
import { MetadataService } from '../../lib/metadata/service.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import { localHost } from '../../lib/ssh/local.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import { withKey } from '../../lib/storage/image-key.ts';
import type { ImageScript, ImageSpec, Worker } from '../../lib/worker/types.ts';
import { guestDisk, inSandbox, inventory, stackFolder } from './support.ts';

const IMAGE_TIMEOUT_MS = 120_000;
const within = () => ({ signal: AbortSignal.timeout(IMAGE_TIMEOUT_MS) });
const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 1 };

inSandbox(import.meta.url, { limitMs: 300_000, disks: ['tiny'] }, () => {
  const host = localHost('worker sandbox');
  const metadata = new MetadataService();
  const key = generateKeyPair('test');
  let dir: string;
  let worker: Worker;
  let builder: ImageBuilder;
  let links: MetadataLinks;
  const cleanupQueue = new CleanupQueue();
  let base: ImageSpec;
  let atFirst: ReturnType<typeof inventory>;

  const script = (name: string, text: string): ImageScript => ({ name, user: '', interpreter: '', text });
  const child = (scripts: ImageScript[]): ImageSpec =>
    withKey(
      {
        name: 'child',
        loginUser: 'root',
        source: {
          kind: 'parent',
          parent: base,
          scripts,
          making: {
            memory: 256,
            vcpus: 1,
            networks: [{ source: 'default' }],
            userData: '',
            authorizedKeys: '',
            timeout: IMAGE_TIMEOUT_MS,
          },
        },
      },
      0,
    );

  before(async () => {
    dir = await mkdtemp(join(tmpdir(), 'recheck-image-'));
    base = withKey(
      { name: 'base', loginUser: 'root', source: { kind: 'url', url: `file://${guestDisk('tiny')}`, diskSize: 1 } },
      0,
    );
    const place = join(stackFolder!, 'ci');
    worker = libvirtWorker({
      id: 'w1',
      label: 'worker sandbox',
      slots: 2,
      source: async () => host,
      storage: hostStorage({ kind: 'btrfs', place, host: async () => host }),
      route: new MetadataRoutes().of(`${owner.controller}_w1`, async () => host),
      knownHosts: new KnownHosts(join(dir, 'guests.json')),
      type: 'qemu',
    });
    links = new MetadataLinks(metadata);
    builder = new ImageBuilder({ metadata, links, key, controller: owner.controller, cleanupQueue }, dir);
    atFirst = inventory();
  });
  after(async () => {
    await builder.close();
    cleanupQueue.close();
    host.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** Lists what is left, except for the images. */
  const left = () => {
    const now = inventory();
    now['subvolumes'] = now['subvolumes']!.filter((path) => !/^(base|child)@/.test(path));
    return now;
  };

  test('scripts build an image from its parent, and a clone of it boots with their changes', async () => {
    const image = child([
      script('first', 'echo one >/root/made; echo "hello from $(hostname)"'),
      script('second', 'cat /root/made; echo two >>/root/made'),
    ]);
    const said: string[] = [];
    await builder.provide(worker, image, { ...within(), onProgress: (text) => said.push(text) });
    assert(said.includes('second (2 of 2)') && said.at(-1) === 'keeping', said.join(', '));
    assert.match(await readFile(builder.consoleFile(worker, image), 'utf8'), /hello from child/);
    assert.deepEqual(left(), atFirst);

    const clone = await builder.clone(worker, image, 'recheck-b1', owner, within());
    const { link, release } = await links.acquire(worker, within().signal);
    const document = { instanceId: 'recheck-b1', hostname: 'b1', authorizedKeys: [key.publicKey] };
    metadata.put(worker.id, 'recheck-b1', { ...document, userData: '', vendorData: '' });
    const networks = [{ source: 'default' }];
    const spec = { name: 'vm', domain: 'recheck-b1', clone, memory: 256, vcpus: 1, networks, owner };
    await worker.hypervisor.boot(link.url ? { ...spec, metadataUrl: link.url } : spec, within());
    const login = { user: 'root', privateKey: key.privateKey, metadata: undefined, onTrouble() {} };
    const { host: guest } = await logInToGuest(worker, 'recheck-b1', { ...within(), ...login });
    assert.equal((await guest.run(['cat', '/root/made'])).stdout, 'one\ntwo\n');
    guest.close();
    await worker.hypervisor.stop('recheck-b1', within());
    await worker.storage.remove('recheck-b1', within());
    metadata.drop(worker.id, 'recheck-b1');
    await release();
    assert.deepEqual(left(), atFirst);
  });

  test('a failing script leaves no guest and no image, and the error names it', async () => {
    const image = child([script('breaks', 'echo about to break\nfalse\n')]);
    await assert.rejects(builder.provide(worker, image, within()), (error) => {
      assert(error instanceof CiError);
      assert.match(error.message, /Image child: its script breaks ended with exit code 1/);
      return true;
    });
    assert.equal(await worker.storage.has(image, within()), false);
    assert.match(await readFile(builder.consoleFile(worker, image), 'utf8'), /about to break[\s\S]*serial console/);
    assert.deepEqual(left(), atFirst);
  });

  test('a guest that a script reboots is reported as lost, and unused images can be collected', async () => {
    const image = child([script('goes', 'reboot -f\nsleep 60\n')]);
    await assert.rejects(builder.provide(worker, image, within()), (error) => {
      assert(error instanceof CiError);
      assert.equal(error.code, 'image/guest-lost', error.message);
      return true;
    });
    assert.deepEqual(left(), atFirst);
    assert.equal((await builder.collect(worker, [], within())).length, 2);
    assert.equal((await host.run(['ls', join(stackFolder!, 'ci')])).stdout, '');
  });
});
