import { Readable } from 'node:stream';
import { type CiError, factsOf } from '../errors/ci-error.ts';
import { onlyPrivate } from '../errors/libvirt-network.ts';
import { foreignGuest, guestNotBooted } from '../errors/worker.ts';
import type { HostSource } from '../ssh/types.ts';
import { checkName } from '../storage/names.ts';
import { KeyedLock } from '../util/keyed-lock.ts';
import { sameOwner } from '../worker/owner.ts';
import type { BootedGuest, CallOptions, GuestAddress, GuestSpec, Hypervisor, Owner } from '../worker/types.ts';
import { readConsole } from './domain/console.ts';
import { memoryTaken } from './domain/guest-hardware.ts';
import { Health } from './domain/health.ts';
import { consoleFile, create, destroy, shutDown } from './domain/life.ts';
import { domainXml, type GuestInterface } from './domain/xml.ts';
import { DOMAIN_TEMPLATE } from './domain-template.ts';
import { HostInspector } from './host-inspector.ts';
import { DomainTypeFinder } from './kvm/domain-type.ts';
import { answerInMemory, type KeptAnswer } from './kvm-cache.ts';
import { Addresses } from './network/addresses.ts';
import { GuestAddresses } from './network/guest-addresses.ts';
import { checkMac, freshMac } from './network/mac.ts';
import { NeighborWatcher } from './network/neighbor-watcher.ts';
import { Networks } from './network/networks.ts';
import { isPrivate, PrivateBridges } from './network/private-bridges.ts';
import { listOwners, ownerOf } from './owner.ts';
import type { DomainType, TypeAnswer, UseBridge } from './types.ts';
import { Virsh } from './virsh.ts';

const SSH_PORT = 22;

/** Marks a leftover private bridge, which is listed and stopped as if it were a domain. No domain name has a colon. */
const BRIDGE_PREFIX = 'bridge:';

/** Settings of a libvirt hypervisor. */
export interface LibvirtOptions {
  /** Name of the worker in messages. */
  label: string;
  source: HostSource;
  /** libvirt URI on the worker; its system instance if missing. */
  uri?: string;
  /** `auto` starts a guest under KVM to find out. */
  type: DomainType | 'auto';
  /** Template of the domain XML; DOMAIN_TEMPLATE if missing. */
  template?: string;
  /** Called with the bridge of each network of a guest, before the guest starts. */
  useBridge?: UseBridge;
  /** Called with each new address of a guest. */
  onAddress?: (address: string, port: number) => void;
  /** Where the answer about KVM is kept; in memory if missing. */
  answers?: KeptAnswer;
}

/** What the controller keeps of a domain that it started. */
interface DomainRecord {
  owner: Owner;
  folder: string;
  type: DomainType;
  isTypeSet: boolean;
  interfaces: GuestInterface[];
  /** Whether it is, or was to be, attached to a private bridge too. */
  bridged: boolean;
  /** MiB that it may take of the worker, once known. */
  memory?: number;
}

/** Runs guests as transient libvirt domains of one worker: a domain that ends is gone. */
export class LibvirtHypervisor implements Hypervisor {
  readonly #options: LibvirtOptions;
  readonly #virsh: Virsh;
  readonly #networks: Networks;
  /** What the worker's hardware can give guests. */
  readonly inspector: HostInspector;
  readonly #bridges: PrivateBridges;
  readonly #neighbors: NeighborWatcher;
  readonly #addresses: Addresses;
  readonly #health: Health;
  readonly #guestAddresses: GuestAddresses;
  readonly #domains = new Map<string, DomainRecord>();
  readonly #lock = new KeyedLock();
  readonly #type: DomainTypeFinder;

  constructor(options: LibvirtOptions) {
    this.#options = options;
    this.#virsh = new Virsh(options.label, options.uri ?? 'qemu:///system', options.source);
    this.#networks = new Networks(this.#virsh);
    this.inspector = new HostInspector(this.#virsh);
    this.#type = new DomainTypeFinder(options.type, options.answers ?? answerInMemory(), this.inspector);
    this.#bridges = new PrivateBridges(this.#virsh);
    this.#neighbors = new NeighborWatcher(options.label, options.source);
    this.#addresses = new Addresses(this.#virsh, this.#networks, this.#neighbors);
    this.#health = new Health({
      virsh: this.#virsh,
      guest: (domain) => this.#domains.get(domain),
      console: (domain, signal) => this.#console(domain, signal),
      onKvmFault: (why) => this.#type.noteFault(why),
    });
    this.#guestAddresses = new GuestAddresses({
      label: options.label,
      addresses: this.#addresses,
      health: this.#health,
      onAddress: (address) => options.onAddress?.(address, SSH_PORT),
    });
  }

  /** MiB that each guest may take, by domain; it takes them little by little. */
  get promised(): Map<string, number> {
    return new Map(
      [...this.#domains].flatMap(([domain, { memory }]) => (memory === undefined ? [] : [[domain, memory]])),
    );
  }

  /** Returns how guests run here, and how that is known. */
  async type({ signal }: CallOptions): Promise<TypeAnswer> {
    return this.#type.find(signal);
  }

  async boot(spec: GuestSpec, { signal }: CallOptions): Promise<BootedGuest> {
    const domain = checkName('a guest', spec.domain);
    return this.#lock.run(domain, signal, async () => {
      const known = this.#domains.get(domain);
      if (known && !sameOwner(known.owner, spec.owner)) {
        throw foreignGuest(domain, known.owner.build, known.owner.attempt);
      }
      if (known && (await this.#health.condition(domain, signal)).is !== 'gone') {
        this.#health.noteRunning(domain);
        return { domain };
      }
      await this.#start(spec, signal);
      return { domain };
    });
  }

  async addresses(domain: string, { signal }: CallOptions): Promise<GuestAddress[]> {
    const interfaces = () => {
      const guest = this.#domains.get(domain);
      if (!guest) throw guestNotBooted(domain);
      return guest.interfaces;
    };
    const found = await this.#guestAddresses.wait(domain, interfaces, signal);
    return found.map((host) => ({ host, port: SSH_PORT }));
  }

  async domainAt(address: string, { signal }: CallOptions): Promise<string | undefined> {
    return this.#addresses.domainAt(address, signal);
  }

  /** Returns the domain last seen at this address, without asking the worker. */
  lastAt(address: string): string | undefined {
    return this.#guestAddresses.lastAt(address);
  }

  /** @throws CiError if a guest that is booting cannot go on; the worker is asked at most every two seconds */
  mustBoot(domain: string, { signal }: CallOptions): Promise<void> {
    return this.#health.mustBoot(domain, signal);
  }

  check(domain: string, { signal }: CallOptions): Promise<void> {
    return this.#health.mustBeSound(domain, signal);
  }

  watch(domain: string, tell: (fault: CiError) => void): () => void {
    return this.#health.watch(domain, tell);
  }

  async console(domain: string, { signal }: CallOptions): Promise<Readable | undefined> {
    const text = await this.#console(domain, signal);
    return text === undefined ? undefined : Readable.from([Buffer.from(text)]);
  }

  async shutdown(domain: string, { signal }: CallOptions): Promise<void> {
    checkName('a guest', domain);
    const isThere = () => this.#health.isThere(domain, signal);
    await shutDown(this.#virsh, domain, isThere, signal);
  }

  async stop(domain: string, { signal }: CallOptions): Promise<void> {
    if (domain.startsWith(BRIDGE_PREFIX)) {
      const bridge = (await this.#bridges.list(signal)).find(({ name }) => name === domain.slice(BRIDGE_PREFIX.length));
      if (bridge) await this.#bridges.release(bridge.owner, signal);
      return;
    }
    checkName('a guest', domain);
    // After a boot that has begun, so that what it starts is stopped here.
    await this.#lock.run(domain, signal, async () => {
      const guest = this.#domains.get(domain);
      const owner = guest ? guest.owner : await ownerOf(this.#virsh, domain, signal);
      const leases =
        guest?.interfaces.flatMap(({ network, mac }) => (network === undefined ? [] : { network, mac })) ??
        (owner ? await this.#networks.of(domain, signal) : []);
      await destroy(this.#virsh, domain, signal, guest?.folder);
      await this.#networks.release(leases, signal);
      if (owner && (!guest || guest.bridged)) await this.#bridges.release(owner, signal);
      // Only now, since a failed stop is called again.
      this.#forget(domain);
      if (this.#domains.size === 0) this.#neighbors.close();
    });
  }

  async list({ signal }: CallOptions): Promise<{ domain: string; owner: Owner }[]> {
    const domains = await listOwners(this.#virsh, signal);
    const bridges = await this.#bridges.list(signal);
    return [
      ...domains,
      ...bridges
        .filter(({ owner }) => !domains.some((one) => sameOwner(one.owner, owner)))
        .map(({ name, owner }) => ({ domain: `${BRIDGE_PREFIX}${name}`, owner })),
    ];
  }

  async #start(spec: GuestSpec, signal: AbortSignal): Promise<void> {
    const { domain, clone, owner } = spec;
    const { useBridge } = this.#options;
    const template = spec.template ?? this.#options.template ?? DOMAIN_TEMPLATE;
    if (spec.networks.every(({ source }) => isPrivate(source))) throw onlyPrivate(domain);
    const macs = spec.networks.map(({ mac }) => (mac ? checkMac(mac) : freshMac()));
    const { type } = await this.#type.find(signal);
    this.#addresses.note(domain, macs);
    const guest: DomainRecord = {
      owner,
      folder: clone.path,
      type,
      isTypeSet: this.#type.isSet,
      interfaces: [],
      bridged: false,
    };
    // From here on, so that a stop removes the bridges made for it.
    this.#domains.set(domain, guest);
    const bridges = new Set<string>();
    for (const [i, { source }] of spec.networks.entries()) {
      const mac = macs[i]!;
      if (isPrivate(source)) {
        guest.bridged = true;
        guest.interfaces.push({ mac, private: true, bridge: await this.#bridges.ensure(owner, source, signal) });
        continue;
      }
      const place = await this.#networks.resolve(source, signal);
      bridges.add(place.bridge);
      const attached = place.network === undefined ? { bridge: place.bridge } : { network: place.network };
      guest.interfaces.push({ mac, private: false, ...attached });
    }
    const hardware = await this.inspector.hardwareOf(spec, type, template, signal);
    guest.memory = memoryTaken(spec.memory, hardware);
    signal.throwIfAborted();
    const xml = domainXml(template, spec, {
      type,
      hardware,
      interfaces: guest.interfaces,
      console: consoleFile(clone.path),
    });
    const shared = guest.interfaces.filter((one) => !one.private).map(({ mac }) => mac);
    // The metadata route is set up while the guest starts, which asks a second later at the earliest. Both are awaited,
    // since a stop that follows must find what was begun.
    const [created, ...routed] = await Promise.allSettled([
      create(this.#virsh, domain, xml, { folder: clone.path, macs: shared }, signal),
      ...[...bridges].map((bridge) => useBridge?.(bridge, signal)),
    ]);
    if (created.status === 'rejected') {
      // A network may have gone since it was read, KVM since it was tried, and QEMU may have been upgraded.
      this.#networks.forget();
      this.inspector.forget();
      if (factsOf(created.reason).kvm === 'missing') this.#type.forget();
    }
    for (const end of [created, ...routed]) if (end.status === 'rejected') throw end.reason;
    this.#health.noteRunning(domain);
    if (created.status === 'fulfilled' && created.value) return;
    // A domain of that name existed: ours, if the answer to the first attempt was lost.
    const other = await ownerOf(this.#virsh, domain, signal);
    if (!other || !sameOwner(other, owner)) {
      this.#forget(domain);
      throw foreignGuest(domain, other?.build ?? 'unknown', other?.attempt ?? 0);
    }
  }

  #forget(domain: string): void {
    this.#domains.delete(domain);
    this.#addresses.forget(domain);
    this.#guestAddresses.forget(domain);
    this.#health.forget(domain);
  }

  async #console(domain: string, signal: AbortSignal): Promise<string | undefined> {
    const folder = this.#domains.get(domain)?.folder;
    return folder === undefined ? undefined : readConsole(this.#virsh, consoleFile(folder), signal);
  }
}
