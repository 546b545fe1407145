import { factsOf } from '../errors/ci-error.ts';
import { guestSilent, listenerElsewhere } from '../errors/worker.ts';
import { MetadataRoute } from '../metadata/route/route.ts';
import { connectHost } from '../ssh/connect.ts';
import type { KnownHosts } from '../ssh/known-hosts.ts';
import type { Host, HostSource } from '../ssh/types.ts';
import type { CallOptions, Login, Storage, Worker } from '../worker/types.ts';
import { CAPACITY_LIMITS, type CapacityLimits, hostCapacity } from './host-capacity.ts';
import { LibvirtHypervisor, type LibvirtOptions } from './hypervisor.ts';
import { manualBootCommands } from './manual-boot.ts';

/** Milliseconds that one try to log in may take, and of these the way to the guest's port. */
const LOGIN_TIME = 15_000;
const REACH_TIME = 5_000;

/** Settings of a worker with libvirt. */
export interface LibvirtWorkerOptions extends Pick<LibvirtOptions, 'uri' | 'type' | 'template' | 'answers'> {
  /** Id of its configuration node. */
  id: string;
  /** Id of the Recheck whose worker it is: another may use the same machine. */
  controller: string;
  label: string;
  slots: number;
  /** The worker as a host: `link.host` of lib/ssh's pool, or this machine. */
  source: HostSource;
  /** The same where it can be reached at once: builds wait for the answer about its room. `source` where missing. */
  sourceNow?: HostSource;
  storage: Storage;
  /**
   * The host keys of this worker's guests, in a file of its own: guests of other workers have the same addresses. Used
   * for guests that come without a key that is known before; such a key is pinned for as long as the guest lives.
   */
  knownHosts: KnownHosts;
  limits?: Partial<CapacityLimits>;
  /** Whether the worker is this machine, by whatever way: then the metadata server may listen on an address of it. */
  isHere?: boolean;
}

/** A worker host whose guests are libvirt domains. Between them and the worker is a virtual machine's wall. */
export interface LibvirtWorker extends Worker {
  readonly hypervisor: LibvirtHypervisor;
}

/** A worker of these settings; nothing is connected before it is used. */
export function libvirtWorker(options: LibvirtWorkerOptions): LibvirtWorker {
  const { id, controller, label, slots, source, sourceNow = source, storage, knownHosts, isHere = false } = options;
  const limits = { ...CAPACITY_LIMITS, ...options.limits };
  // Node ids alone do not tell two Rechecks apart that imported the same flow.
  const way = new MetadataRoute(`${controller}_${id}`, source);
  const hypervisor = new LibvirtHypervisor({
    label,
    source,
    type: options.type,
    ...(options.uri ? { uri: options.uri } : {}),
    ...(options.template ? { template: options.template } : {}),
    ...(options.answers ? { answers: options.answers } : {}),
    useBridge: (bridge, signal) => way.use(bridge, signal),
    // Addresses are used again: what another guest showed there says nothing of this one.
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
      return way.open(serve, signal, listenAt);
    },
    sweepMetadata: ({ signal }) => way.sweep(signal),
    capacity: async ({ signal }) => hostCapacity(await sourceNow(signal), limits, signal, hypervisor.promised),
    async login(login, { signal }) {
      try {
        return await logIn(source, knownHosts, login, signal);
      } catch (error) {
        signal.throwIfAborted();
        // A guest that is gone will not answer: said at once, and not when the time is over. Who refuses is there.
        const domain = factsOf(error).loginFailure === 'no-listener' ? undefined : hypervisor.lastAt(login.host);
        if (domain !== undefined) await hypervisor.mustBoot(domain, { signal });
        throw error;
      }
    },
  };
}

/** One try, through the worker's own connection: guests' addresses are known there only. */
async function logIn(source: HostSource, knownHosts: KnownHosts, login: Login, signal: AbortSignal): Promise<Host> {
  const host = await source(signal);
  const target = { ...login, label: `guest at ${login.host}` };
  const socket = (within: AbortSignal) => reach(host, login, { signal: within });
  return connectHost(target, { knownHosts, signal, timeout: LOGIN_TIME, socket });
}

async function reach(host: Host, { host: address, port }: Login, { signal }: CallOptions) {
  const late = AbortSignal.timeout(REACH_TIME);
  try {
    return await host.forwardOut(address, port, AbortSignal.any([signal, late]));
  } catch (error) {
    if (late.aborted && !signal.aborted) throw guestSilent(address, REACH_TIME / 1_000);
    throw error;
  }
}
