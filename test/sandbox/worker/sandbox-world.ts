import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import type { TestContext } from 'node:test';
import { MetadataService } from '../../../lib/metadata/service.ts';
import type { SandboxTimes } from '../../../lib/sandbox/worker/hypervisor.ts';
import { sandboxWorker } from '../../../lib/sandbox/worker.ts';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import type { GuestSpec, MetadataLink, Worker } from '../../../lib/worker/types.ts';

export const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 1 };
export const image = { name: 'empty', key: 'k', source: { kind: 'empty' } as const, loginUser: 'ci' };

/** Options of a call to a worker: an abort signal after `time` milliseconds. */
export const callOptions = (time = 20_000) => ({ signal: AbortSignal.timeout(time) });

/** A sandbox worker with a metadata server, as in a build. */
export interface World {
  root: string;
  worker: Worker;
  service: MetadataService;
  link: MetadataLink;
  keys: { privateKey: string; publicKey: string };
  spec(domain: string): Promise<GuestSpec>;
  /** Clones, publishes metadata, boots, and waits for the address. */
  boot(domain: string, userData?: string): Promise<{ host: string; port: number }>;
  login(address: { host: string; port: number }): Promise<Host>;
  /** Ends all guests and removes the folder. */
  close(): Promise<void>;
}

/** Starts a world in `root`, or in a temporary folder. The caller closes it. */
export async function openWorld(options: { root?: string; times?: Partial<SandboxTimes> } = {}): Promise<World> {
  const root = options.root ?? (await mkdtemp(join(tmpdir(), 'recheck-worker-')));
  const worker = sandboxWorker({ id: 'w1', label: 'worker w1', slots: 2, root, times: options.times ?? {} });
  const service = new MetadataService();
  const link = await worker.linkMetadata(service.serverFor(worker), callOptions());
  const keys = generateKeyPair('test');
  const world: World = {
    root,
    worker,
    service,
    link,
    keys,
    async spec(domain) {
      await worker.storage.make(image, callOptions());
      const clone = await worker.storage.clone(image, domain, owner, callOptions());
      const metadataUrl = link.url!;
      return { name: 'vm', domain, clone, memory: 256, vcpus: 1, networks: [], owner, metadataUrl };
    },
    async boot(domain, userData = '') {
      const spec = await world.spec(domain);
      const document = { instanceId: domain, hostname: `host-${domain}`, authorizedKeys: [keys.publicKey] };
      service.put(worker.id, domain, { ...document, userData, vendorData: '' });
      await worker.hypervisor.boot(spec, callOptions());
      const [address] = await worker.hypervisor.addresses(domain, callOptions());
      return address!;
    },
    login: (address) => worker.login({ ...address, user: image.loginUser, privateKey: keys.privateKey }, callOptions()),
    async close() {
      for (const { domain } of await worker.hypervisor.list(callOptions()))
        await worker.hypervisor.stop(domain, callOptions());
      await link.close();
      await rm(root, { recursive: true, force: true });
    },
  };
  return world;
}

/** Starts a world that is closed after the test. */
export async function worldFor(t: TestContext, options?: { times?: Partial<SandboxTimes> }): Promise<World> {
  const world = await openWorld(options);
  t.after(() => world.close());
  return world;
}
