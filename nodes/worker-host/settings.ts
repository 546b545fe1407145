import { createHash } from 'node:crypto';
import { join } from 'node:path';
import type { NodeAPI, NodeDef } from 'node-red';
import { hostNodeGone } from '../../lib/errors/worker.ts';
import type { CheckSettings } from '../../lib/libvirt/check.ts';
import { CAPACITY_LIMITS } from '../../lib/libvirt/host-capacity.ts';
import { KvmCache } from '../../lib/libvirt/kvm-cache.ts';
import { libvirtWorker } from '../../lib/libvirt/worker.ts';
import { safeName } from '../../lib/logs/file-name.ts';
import { sandboxWorker } from '../../lib/sandbox/worker.ts';
import { hostNow, hostWithin } from '../../lib/ssh/host-within.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import type { Link } from '../../lib/ssh/link-pool.ts';
import { localHost } from '../../lib/ssh/local.ts';
import type { Host, HostSource, SshTarget } from '../../lib/ssh/types.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import type { Storage, Worker } from '../../lib/worker/types.ts';
import { configNode, type SshHostNode } from '../shared/config-nodes.ts';
import type { Runtime } from '../shared/runtime.ts';
import { flagOf, numberOf, textOf } from '../shared/settings.ts';

/** Settings of a worker-host node; any may be missing. */
export interface WorkerConfig extends NodeDef {
  kind: 'sandbox' | 'libvirt';
  /** Id of an ssh-host; empty for direct access to this machine. */
  host: string;
  storage: 'btrfs' | 'zfs' | 'directory';
  path: string;
  uri: string;
  domainType: 'auto' | 'kvm' | 'qemu';
  slots: string;
  memory: string;
  load: string;
  strangers: boolean;
}

/** The machine of a worker. */
export interface Machine {
  /** Whether it is this machine, accessed directly or over SSH. */
  isHere: boolean;
  /** Its address, for messages. */
  address: string;
  /** Identifies the machine and the login, to compare workers. */
  identity: string;
  source: HostSource;
  /** Does the same, but fails immediately if the machine cannot be reached. */
  sourceNow: HostSource;
  /** Returns the address and login; missing for direct access to this machine. */
  target?: () => Promise<SshTarget>;
}

const DEFAULT_URI = 'qemu:///system';
const DEFAULT_PATH = '/ci/recheck';

/** Returns the name of a worker for messages. */
export function labelOf(RED: NodeAPI, config: WorkerConfig): string {
  const host = config.kind === 'libvirt' ? hostNode(RED, config) : undefined;
  return `worker ${textOf(config.name, host ? host.name || host.address : 'this machine')}`;
}

const hostNode = (RED: NodeAPI, { host }: WorkerConfig): SshHostNode | undefined =>
  configNode(RED, 'ssh-host', textOf(host));

/**
 * Returns the machine of a worker-host. Its connection is shared and acquired for each piece of work, so that builds
 * keep using it after the node is closed, and a lost connection is replaced.
 *
 * @throws CiError if the ssh-host is not deployed
 */
export function machineOf(RED: NodeAPI, runtime: Runtime, config: WorkerConfig): Machine {
  const label = labelOf(RED, config);
  if (!textOf(config.host)) {
    const host = localHost(label);
    const source = async () => host;
    return { isHere: true, address: 'this machine', identity: 'this machine', source, sourceNow: source };
  }
  const node = hostNode(RED, config);
  if (!node?.target) throw hostNodeGone(label);
  const target = async () => ({ ...(await node.target()), label });
  const over = async (reach: (link: Link) => Promise<Host>): Promise<Host> => {
    const link = runtime.pool.acquire(await target());
    try {
      return await reach(link);
    } finally {
      link.release();
    }
  };
  return {
    isHere: node.isHere,
    address: node.address,
    identity: node.identity,
    target,
    source: (signal) => over((link) => hostWithin(link, runtime.connectLimit, signal)),
    sourceNow: (signal) => over((link) => hostNow(link, signal)),
  };
}

/** Returns the settings for a check of the machine. */
export function checkSettings(RED: NodeAPI, runtime: Runtime, config: WorkerConfig, machine: Machine): CheckSettings {
  const { domainType, storage } = config;
  const uri = textOf(config.uri, DEFAULT_URI);
  const { controller, images } = runtime.services;
  return {
    controller,
    uri,
    type: domainType === 'kvm' || domainType === 'qemu' ? domainType : 'auto',
    storage: {
      kind: storage === 'zfs' || storage === 'directory' ? storage : 'btrfs',
      place: textOf(config.path, DEFAULT_PATH),
    },
    limits: {
      memory: numberOf(config.memory, CAPACITY_LIMITS.memory),
      load: numberOf(config.load, CAPACITY_LIMITS.load),
    },
    remote: machine.target !== undefined,
    alive: (owner) => runtime.supervisor.owns(owner) || images.owns(owner),
    answers: answersOf(RED, runtime).of(`${machine.address} ${uri}`),
  };
}

/** State that all worker-host nodes of the process share. */
const WORKERS = {
  make: () => ({
    /** Whether each host can use KVM. */
    answers: undefined as KvmCache | undefined,
    /**
     * The current worker of each node, and the digest of its settings. A redeploy with unchanged settings reuses the
     * worker. Nodes with equal settings, as in a copied flow, share one: two workers on one machine would each use all
     * slots, and would take over each other's route from the guests to the metadata server.
     */
    workers: new Map<string, { settings: string; worker: Worker }>(),
    /** Storages by machine and path. Two storages for one path would interfere with each other. */
    storages: new Map<string, Storage>(),
  }),
};

/** Returns the results of the KVM checks, which are kept in the state folder. New results are logged. */
function answersOf(RED: NodeAPI, runtime: Runtime): KvmCache {
  const shared = runtime.of(WORKERS);
  shared.answers ??= new KvmCache(join(runtime.stateDir, 'domain-types.json'), (host, { type, why }) =>
    RED.log.info(`[worker-host] ${runtime.t('worker-host', `log.${type}`, { host, why })}`),
  );
  return shared.answers;
}

/** A worker and its location, by which leftovers of a crash are removed only once. */
export interface Placed {
  worker: Worker;
  place: string;
  machine?: Machine;
}

/**
 * Returns the worker of a worker-host.
 *
 * @throws CiError if its settings are not valid
 */
export function workerOf(RED: NodeAPI, runtime: Runtime, config: WorkerConfig): Placed {
  const label = labelOf(RED, config);
  const { id } = config;
  const common = { label, slots: numberOf(config.slots, 2, 1) };
  if (config.kind !== 'libvirt') {
    const root = textOf(config.path, join(runtime.stateDir, 'worker'));
    const options = { ...common, root, acceptsUntrusted: flagOf(config.strangers) };
    return { worker: kept(runtime, id, options, () => sandboxWorker({ id, ...options })), place: root };
  }
  const machine = machineOf(RED, runtime, config);
  const { identity, isHere, source, sourceNow } = machine;
  const { controller, uri, type, storage, limits, answers: known } = checkSettings(RED, runtime, config, machine);
  const place = [identity, uri, storage.kind, storage.place].join(' ');
  const { storages } = runtime.of(WORKERS);
  const worker = kept(runtime, id, { ...common, place, isHere, type, limits }, () => {
    let shared = storages.get(place);
    if (!shared) {
      shared = hostStorage({ ...storage, host: source });
      storages.set(place, shared);
    }
    const knownHosts = new KnownHosts(join(runtime.stateDir, 'guests', `${safeName(id)}.json`));
    return libvirtWorker({
      id,
      ...common,
      uri,
      type,
      limits,
      isHere,
      source,
      sourceNow,
      storage: shared,
      // Node ids alone do not distinguish two Rechecks that imported the same flow.
      route: runtime.metadataRoutes.of(`${controller}_${id}`, source),
      knownHosts,
      ...(known ? { answers: known } : {}),
    });
  });
  return { worker, place, machine };
}

/** Returns the existing worker with the same settings, of this node or another, or makes a new one. */
function kept(runtime: Runtime, id: string, values: object, make: () => Worker): Worker {
  const { workers } = runtime.of(WORKERS);
  const digest = createHash('sha256').update(JSON.stringify(values)).digest('hex');
  const known = workers.get(id);
  if (known?.settings === digest) return known.worker;
  const alike = [...workers.values()].find(({ settings }) => settings === digest);
  const worker = alike?.worker ?? make();
  workers.set(id, { settings: digest, worker });
  return worker;
}
