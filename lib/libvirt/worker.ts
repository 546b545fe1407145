import { factsOf } from '../errors/ci-error.ts';
import { guestSilent, listenerElsewhere } from '../errors/worker.ts';
import { connectHost } from '../ssh/connect.ts';
import type { KnownHosts } from '../ssh/known-hosts.ts';
import type { Host, HostSource } from '../ssh/types.ts';
import type { MetadataRoute } from '../worker/metadata-route.ts';
import type { CallOptions, Login, Storage, Worker } from '../worker/types.ts';
import { CAPACITY_LIMITS, type CapacityLimits, hostCapacity } from './host-capacity.ts';
import { LibvirtHypervisor, type LibvirtOptions } from './hypervisor.ts';
import { manualBootCommands } from './manual-boot.ts';

const LOGIN_TIMEOUT_MS = 15_000;
/** The part of it for the connection to the guest's port. */
const CONNECT_TIMEOUT_MS = 5_000;

/** Settings of a libvirt worker. */
export interface LibvirtWorkerOptions extends Pick<LibvirtOptions, 'uri' | 'type' | 'template' | 'answers'> {
  /** Id of its worker-host node. */
  id: string;
  label: string;
  slots: number;
  /** The worker's host: `link.host` of a link pool, or this machine. */
  source: HostSource;
  /**
   * The same, but rejects unless it can be reached at once, since builds wait for its capacity; `source` if missing.
   */
  sourceNow?: HostSource;
  storage: Storage;
  /** How its guests reach the metadata server. */
  route: MetadataRoute;
  /**
   * Host keys of this worker's guests, in a file of its own, since guests of other workers have the same addresses.
   * Used for guests without a generated key: their first key is pinned as long as they exist.
   */
  knownHosts: KnownHosts;
  limits?: Partial<CapacityLimits>;
  /** Whether the worker is this machine, also through SSH: then the metadata server may listen on an address of it. */
  isHere?: boolean;
}

/** A worker host whose guests are libvirt domains. */
export interface LibvirtWorker extends Worker {
  readonly hypervisor: LibvirtHypervisor;
}

/** Creates a worker; it connects at its first use. */
export function libvirtWorker(options: LibvirtWorkerOptions): LibvirtWorker {
  const { id, label, slots, source, sourceNow = source, storage, route, knownHosts, isHere = false } = options;
  const limits = { ...CAPACITY_LIMITS, ...options.limits };
  const hypervisor = new LibvirtHypervisor({
    label,
    source,
    type: options.type,
    ...(options.uri ? { uri: options.uri } : {}),
    ...(options.template ? { template: options.template } : {}),
    ...(options.answers ? { answers: options.answers } : {}),
    useBridge: (bridge, signal) => route.use(bridge, signal),
    // Addresses are reused: the key of an earlier guest there does not matter.
    onAddress: (address, port) => knownHosts.forget(address, port),
  });
  return {
    id,
    label,
    slots,
    isolated: true,
    acceptsUntrusted: false,
    giveHostKeys: true,
    bootsSystems: true,
    manualCommands: (image, guest) => manualBootCommands(image, guest, hypervisor.inspector.known?.arch),
    storage,
    hypervisor,
    async linkMetadata(serve, { signal, listenAt }) {
      if (listenAt && !isHere) throw listenerElsewhere(label);
      return route.open(serve, signal, listenAt);
    },
    sweepMetadata: ({ signal }) => route.sweep(signal),
    capacity: async ({ signal }) => hostCapacity(await sourceNow(signal), limits, signal, hypervisor.promised),
    async login(login, { signal }) {
      try {
        return await logIn(source, knownHosts, login, signal);
      } catch (error) {
        signal.throwIfAborted();
        // A guest that is gone is reported at once, not after the time limit. One that refuses is there.
        const domain = factsOf(error).loginFailure === 'no-listener' ? undefined : hypervisor.lastAt(login.host);
        if (domain !== undefined) await hypervisor.mustBoot(domain, { signal });
        throw error;
      }
    },
  };
}

/** Logs in through the worker's connection, since guests' addresses are only reachable from there. */
async function logIn(source: HostSource, knownHosts: KnownHosts, login: Login, signal: AbortSignal): Promise<Host> {
  const host = await source(signal);
  const target = { ...login, label: `guest at ${login.host}` };
  const socket = (within: AbortSignal) => connectTo(host, login, { signal: within });
  return connectHost(target, { knownHosts, signal, timeout: LOGIN_TIMEOUT_MS, socket });
}

async function connectTo(host: Host, { host: address, port }: Login, { signal }: CallOptions) {
  const late = AbortSignal.timeout(CONNECT_TIMEOUT_MS);
  try {
    return await host.forwardOut(address, port, AbortSignal.any([signal, late]));
  } catch (error) {
    if (late.aborted && !signal.aborted) throw guestSilent(address, CONNECT_TIMEOUT_MS / 1_000);
    throw error;
  }
}
