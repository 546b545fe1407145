import { copyFileSync, mkdirSync, mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { Readable } from 'node:stream';
import { logInToGuest } from '../../lib/guests/login.ts';
import { type LibvirtWorker, type LibvirtWorkerOptions, libvirtWorker } from '../../lib/libvirt/worker.ts';
import { buildDocument } from '../../lib/metadata/document.ts';
import { withHostKey } from '../../lib/metadata/multipart.ts';
import { MetadataRoutes } from '../../lib/metadata/routes.ts';
import { MetadataService } from '../../lib/metadata/service.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import { LinkPool } from '../../lib/ssh/link-pool.ts';
import { runScript } from '../../lib/ssh/script.ts';
import type { Host, HostSource } from '../../lib/ssh/types.ts';
import { type HostStorageOptions, hostStorage } from '../../lib/storage/host-storage.ts';
import type { Clone, GuestSpec, ImageSpec, ListenAt, MetadataLink, Network, Owner } from '../../lib/worker/types.ts';
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts';
import { guestDisk, stackFolder } from './support.ts';

/** Timeout for a tiny guest from boot to login. */
export const BOOT_TIMEOUT_MS = 180_000;

export const NETWORK: Network = { source: 'default' };

/** The id of the controller that owns the guests. */
const CONTROLLER = 'c1c1c1c1c1c1';

/** A worker in the sandbox, reached as root through a real sshd, with btrfs and an image of the tiny guest. */
export interface World {
  worker: LibvirtWorker;
  /** Connects to the machine as root over SSH. */
  source: HostSource;
  sshd: OpenSsh;
  image: ImageSpec;
  metadata: MetadataService;
  /** The controller's key pair. */
  key: { privateKey: string; publicKey: string };
  /** Creates another worker object for the same machine, as a redeploy does. */
  newWorker(options?: Partial<LibvirtWorkerOptions>): LibvirtWorker;
  /** @param listenAt an address and port of this machine, instead of a tunnel through the SSH connection */
  openLink(worker?: LibvirtWorker, listenAt?: ListenAt): Promise<MetadataLink>;
  close(): Promise<void>;
}

/**
 * Starts an sshd, connects a worker to it and builds the image.
 *
 * @param at the storage's kind and place, and the image's disk, if they differ from the defaults
 */
export async function openWorld(
  options: Partial<LibvirtWorkerOptions> = {},
  at: { kind?: HostStorageOptions['kind']; place?: string; disk?: string } = {},
): Promise<World> {
  const sshd = await startOpenSsh();
  const pool = new LinkPool({ knownHosts: new KnownHosts(join(sshd.dir, 'workers.json')) });
  const link = pool.acquire({ ...sshd.target, label: 'worker host-a' });
  const source = (signal: AbortSignal): Promise<Host> => link.host(signal);
  const { kind = 'btrfs', place = mkdtempSync(join(stackFolder!, 'ci', 'store-')), disk = guestDisk('tiny') } = at;
  const files = mkdtempSync(join(stackFolder!, 'image-'));
  copyFileSync(disk, join(files, 'vda.qcow2'));
  const image: ImageSpec = {
    name: 'tiny',
    key: 'k1',
    source: { kind: 'directory', path: files },
    loginUser: 'root',
  };
  const storage = hostStorage({ kind, place, host: source });
  const metadata = new MetadataService();
  const routes = new MetadataRoutes();
  const newWorker = (more: Partial<LibvirtWorkerOptions> = {}): LibvirtWorker => {
    mkdirSync(join(sshd.dir, 'guests'), { recursive: true });
    return libvirtWorker({
      id: 'a1b2c3d4',
      label: 'worker host-a',
      slots: 2,
      source,
      storage,
      route: routes.of(`${CONTROLLER}_a1b2c3d4`, source),
      type: 'qemu',
      knownHosts: new KnownHosts(join(sshd.dir, 'guests', 'host-a.json')),
      ...options,
      ...more,
    });
  };
  const worker = newWorker();
  await storage.make(image, { signal: AbortSignal.timeout(180_000) });
  return {
    worker,
    source,
    sshd,
    image,
    metadata,
    key: generateKeyPair('controller'),
    newWorker,
    openLink: (of = worker, listenAt) =>
      of.linkMetadata(metadata.serverFor(of), {
        signal: AbortSignal.timeout(180_000),
        ...(listenAt ? { listenAt } : {}),
      }),
    async close() {
      link.release();
      pool.close();
      await sshd.remove();
    },
  };
}

/** A guest of a world. */
export interface TestGuest {
  domain: string;
  owner: Owner;
  clone: Clone;
  spec: GuestSpec;
  hostKey: { privateKey: string; publicKey: string };
}

/** Clones a guest's disk and publishes its metadata. */
export async function prepareGuest(
  { worker, image, metadata, key }: World,
  settings: { build: string; name?: string; networks?: Network[]; userData?: string; authorizedKeys?: string },
): Promise<TestGuest> {
  const { build, name = 'vm', networks = [NETWORK], userData = '', authorizedKeys = '' } = settings;
  const owner = { controller: CONTROLLER, build, attempt: 1 };
  const domain = `recheck-${build}-1-${name}`;
  const clone = await worker.storage.clone(image, domain, owner, { signal: AbortSignal.timeout(180_000) });
  const hostKey = generateKeyPair(domain);
  const document = buildDocument(
    { hostname: name, userData, authorizedKeys, controllerKey: key.publicKey },
    {},
    domain,
  );
  metadata.put(worker.id, domain, withHostKey(document, hostKey));
  return { domain, owner, clone, hostKey, spec: { name, domain, clone, memory: 192, vcpus: 1, networks, owner } };
}

/** Waits until a guest accepts the controller's login, and verifies its host key. */
export async function logIn({ worker, image, key }: World, guest: TestGuest, limit = BOOT_TIMEOUT_MS): Promise<Host> {
  const signal = AbortSignal.timeout(limit);
  let last = 'no answer';
  try {
    const { host } = await logInToGuest(worker, guest.domain, {
      signal,
      user: image.loginUser,
      privateKey: key.privateKey,
      metadata: { hostKey: guest.hostKey.publicKey, loggedIn() {}, drop() {} },
      onTrouble(why) {
        last = why;
      },
    });
    return host;
  } catch (error) {
    if (!signal.aborted) throw error;
    throw new Error(`no login within ${limit} ms: ${last}\n${await consoleOf(worker, guest)}`);
  }
}

/** Returns the address of a guest that is up. */
export async function addressOf({ worker }: World, { domain }: TestGuest): Promise<string> {
  return (await worker.hypervisor.addresses(domain, { signal: AbortSignal.timeout(180_000) }))[0]!.host;
}

/** Boots a guest and logs in to it. */
export async function bootGuest(world: World, guest: TestGuest, limit = BOOT_TIMEOUT_MS): Promise<Host> {
  await world.worker.hypervisor.boot(guest.spec, { signal: AbortSignal.timeout(180_000) });
  return logIn(world, guest, limit);
}

/** Stops a guest, then removes its clone and metadata, in the order that leaves nothing behind. */
export async function removeGuest(world: World, guest: TestGuest, host?: Host): Promise<void> {
  const options = { signal: AbortSignal.timeout(180_000) };
  host?.close();
  await world.worker.hypervisor.stop(guest.domain, options);
  await world.worker.storage.remove(guest.domain, options);
  world.metadata.drop(world.worker.id, guest.domain);
}

/** Runs a script in a guest and returns its exit code and output. */
export async function runInGuest(
  host: Host,
  text: string,
  limit = 120_000,
): Promise<{ code?: number; output: string }> {
  let output = '';
  const result = await runScript(
    host,
    { text, interpreter: '/bin/bash', env: {}, timeout: limit },
    {
      signal: AbortSignal.timeout(limit + 60_000),
      onOutput: (chunk) => {
        output += chunk;
      },
    },
  );
  return { code: result.code, output };
}

/** Returns the x86-64 levels that the guest's dynamic linker reports as supported, such as x86-64-v2. */
export async function processorLevels(host: Host): Promise<string[]> {
  const { stdout } = await host.run(['/lib64/ld-linux-x86-64.so.2', '--help'], { timeout: 30_000 });
  return [...stdout.matchAll(/^ *(x86-64-v\d) \(supported/gm)].map(([, level]) => level!).sort();
}

export async function consoleOf(worker: LibvirtWorker, { domain }: TestGuest): Promise<string> {
  const stream = await worker.hypervisor.console(domain, { signal: AbortSignal.timeout(180_000) });
  return stream ? textOf(stream) : '';
}

export async function textOf(stream: Readable): Promise<string> {
  let text = '';
  for await (const chunk of stream) text += chunk;
  return text;
}
