import { Readable } from 'node:stream';
import { type CiError, factsOf } from '../errors/ci-error.ts';
import { onlyPrivate } from '../errors/libvirt-network.ts';
import { foreignGuest, guestNotBooted } from '../errors/worker.ts';
import { checkName } from '../sandbox/worker/records.ts';
import type { HostSource } from '../ssh/types.ts';
import { abortable } from '../util/abort.ts';
import { KeyedLock } from '../util/keyed-lock.ts';
import { sameOwner } from '../worker/owner.ts';
import type { BootedGuest, CallOptions, GuestAddress, GuestSpec, Hypervisor, Owner } from '../worker/types.ts';
import { readConsole } from './domain/console.ts';
import { memoryTaken } from './domain/guest-hardware.ts';
import { Health } from './domain/health.ts';
import { consoleFile, create, destroy, shutDown } from './domain/life.ts';
import { DOMAIN_TEMPLATE, domainXml, type GuestInterface } from './domain/xml.ts';
import { HostInspector } from './host-inspector.ts';
import { answerInMemory, type KeptAnswer } from './kvm/cache.ts';
import { Addresses } from './network/addresses.ts';
import { GuestAddresses } from './network/guest-addresses.ts';
import { checkMac, freshMac } from './network/mac.ts';
import { NeighborWatcher } from './network/neighbor-watcher.ts';
import { Networks } from './network/networks.ts';
import { isPrivate, PrivateBridges } from './network/private-bridges.ts';
import { listOwners, ownerOf } from './owner.ts';
import type { DomainType, TypeAnswer, UseBridge } from './types.ts';
import { Virsh } from './virsh.ts';

/** Port of a guest's SSH. */
const SSH = 22;

/** Milliseconds that finding out about KVM may take. */
const PROBE_TIME = 60_000;

/** How a private bridge that is left over is listed, and ended, as if it were a domain: no domain's name has a colon. */
const BRIDGE = 'bridge:';

export interface LibvirtOptions {
  /** As messages call the worker. */
  label: string;
  source: HostSource;
  /** libvirt's URI on the worker; its system instance where missing. */
  uri?: string;
  /** `auto` finds out by starting a guest under KVM. */
  type: DomainType | 'auto';
  /** The domain's XML; DOMAIN_TEMPLATE where missing. */
  template?: string;
  /** Told the bridge of each network that a guest is to hang on, before the guest starts. */
  useBridge?: UseBridge;
  /** Told the address of each guest that has just got one. */
  onAddress?: (address: string, port: number) => void;
  /** Where the answer about KVM is kept; in memory where missing. */
  answers?: KeptAnswer;
}

/** A guest as the controller holds it. */
interface Guest {
  owner: Owner;
  folder: string;
  type: DomainType;
  isTypeSet: boolean;
  interfaces: GuestInterface[];
  /** Whether it is, or was to be, attached to a private bridge too. */
  bridged: boolean;
  /** MiB that it may take of the worker, once that is known. */
  memory?: number;
}

/** Runs guests as libvirt domains of one worker. They are transient: a domain that ends is gone. */
export class LibvirtHypervisor implements Hypervisor {
  readonly #options: LibvirtOptions;
  readonly #virsh: Virsh;
  readonly #networks: Networks;
  /** What the worker's hardware can give guests. */
  readonly inspector: HostInspector;
  readonly #bridges: PrivateBridges;
  readonly #lookout: NeighborWatcher;
  readonly #addresses: Addresses;
  readonly #health: Health;
  readonly #guestAddresses: GuestAddresses;
  readonly #guests = new Map<string, Guest>();
  readonly #lock = new KeyedLock();
  readonly #answers: KeptAnswer;
  /** Being found out. */
  #type: Promise<TypeAnswer> | undefined;

  constructor(options: LibvirtOptions) {
    this.#options = options;
    this.#answers = options.answers ?? answerInMemory();
    this.#virsh = new Virsh(options.label, options.uri ?? 'qemu:///system', options.source);
    this.#networks = new Networks(this.#virsh);
    this.inspector = new HostInspector(this.#virsh);
    this.#bridges = new PrivateBridges(this.#virsh);
    this.#lookout = new NeighborWatcher(options.label, options.source);
    this.#addresses = new Addresses(this.#virsh, this.#networks, this.#lookout);
    this.#health = new Health({
      virsh: this.#virsh,
      guest: (domain) => this.#guests.get(domain),
      console: (domain, signal) => this.#console(domain, signal),
      // Its probe may say again that KVM works, as it did before.
      onKvmFault: (why) => this.#answers.set({ type: 'qemu', why, isProved: true }),
    });
    this.#guestAddresses = new GuestAddresses({
      label: options.label,
      addresses: this.#addresses,
      health: this.#health,
      onAddress: (address) => options.onAddress?.(address, SSH),
    });
  }

  /** MiB that each guest here may take, by the name of its domain: it takes them little by little. */
  get promised(): Map<string, number> {
    return new Map(
      [...this.#guests].flatMap(([domain, { memory }]) => (memory === undefined ? [] : [[domain, memory]])),
    );
  }

  /** How guests run here, and how that is known. */
  async type({ signal }: CallOptions): Promise<TypeAnswer> {
    const { type } = this.#options;
    if (type !== 'auto') return { type, why: 'it was set' };
    const known = this.#answers.get();
    if (known) return known;
    // Not the asking build's signal: others wait for the same answer.
    this.#type ??= this.inspector
      .kvm(AbortSignal.timeout(PROBE_TIME))
      .then(({ works, why }) => {
        const proved = this.#answers.get();
        if (proved?.isProved) return proved;
        const answer: TypeAnswer = { type: works ? 'kvm' : 'qemu', why };
        this.#answers.set(answer);
        return answer;
      })
      .finally(() => {
        this.#type = undefined;
      });
    return abortable(this.#type, signal);
  }

  async boot(spec: GuestSpec, { signal }: CallOptions): Promise<BootedGuest> {
    const domain = checkName('a guest', spec.domain);
    return this.#lock.run(domain, signal, async () => {
      const known = this.#guests.get(domain);
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
      const guest = this.#guests.get(domain);
      if (!guest) throw guestNotBooted(domain);
      return guest.interfaces;
    };
    const found = await this.#guestAddresses.wait(domain, interfaces, signal);
    return found.map((host) => ({ host, port: SSH }));
  }

  async domainAt(address: string, { signal }: CallOptions): Promise<string | undefined> {
    return this.#addresses.domainAt(address, signal);
  }

  /** The guest that was last seen to have this address, without asking the worker. */
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
    if (domain.startsWith(BRIDGE)) {
      const bridge = (await this.#bridges.list(signal)).find(({ name }) => name === domain.slice(BRIDGE.length));
      if (bridge) await this.#bridges.release(bridge.owner, signal);
      return;
    }
    checkName('a guest', domain);
    // Behind a boot of it that was begun: what that one starts is ended here.
    await this.#lock.run(domain, signal, async () => {
      const guest = this.#guests.get(domain);
      const owner = guest ? guest.owner : await ownerOf(this.#virsh, domain, signal);
      const leases =
        guest?.interfaces.flatMap(({ network, mac }) => (network === undefined ? [] : { network, mac })) ??
        (owner ? await this.#networks.of(domain, signal) : []);
      await destroy(this.#virsh, domain, signal, guest?.folder);
      await this.#networks.release(leases, signal);
      if (owner && (!guest || guest.bridged)) await this.#bridges.release(owner, signal);
      // Only now: a stop that failed is called again.
      this.#forget(domain);
      if (this.#guests.size === 0) this.#lookout.close();
    });
  }

  async list({ signal }: CallOptions): Promise<{ domain: string; owner: Owner }[]> {
    const domains = await listOwners(this.#virsh, signal);
    const bridges = await this.#bridges.list(signal);
    return [
      ...domains,
      ...bridges
        .filter(({ owner }) => !domains.some((one) => sameOwner(one.owner, owner)))
        .map(({ name, owner }) => ({ domain: `${BRIDGE}${name}`, owner })),
    ];
  }

  async #start(spec: GuestSpec, signal: AbortSignal): Promise<void> {
    const { domain, clone, owner } = spec;
    const { useBridge } = this.#options;
    const template = spec.template ?? this.#options.template ?? DOMAIN_TEMPLATE;
    if (spec.networks.every(({ source }) => isPrivate(source))) throw onlyPrivate(domain);
    const macs = spec.networks.map(({ mac }) => (mac ? checkMac(mac) : freshMac()));
    const { type } = await this.type({ signal });
    this.#addresses.note(domain, macs);
    const isTypeSet = this.#options.type !== 'auto';
    const guest: Guest = { owner, folder: clone.path, type, isTypeSet, interfaces: [], bridged: false };
    // Held from here on: the bridges that are made for it are removed when it is stopped.
    this.#guests.set(domain, guest);
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
      const hangs = place.network === undefined ? { bridge: place.bridge } : { network: place.network };
      guest.interfaces.push({ mac, private: false, ...hangs });
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
    // The way to the metadata is led while the guest starts: it asks a second later at the soonest. Both are waited for,
    // as a stop that comes next must find what was begun.
    const [created, ...led] = await Promise.allSettled([
      create(this.#virsh, domain, xml, { folder: clone.path, macs: shared }, signal),
      ...[...bridges].map((bridge) => useBridge?.(bridge, signal)),
    ]);
    if (created.status === 'rejected') {
      // A network may have gone since it was read, KVM since it was tried, and QEMU may have been upgraded.
      this.#networks.forget();
      this.inspector.forget();
      if (factsOf(created.reason).kvm === 'missing') this.#answers.forget();
    }
    for (const end of [created, ...led]) if (end.status === 'rejected') throw end.reason;
    this.#health.noteRunning(domain);
    if (created.status === 'fulfilled' && created.value) return;
    // One of its name was there: ours, where an answer was lost on its way.
    const other = await ownerOf(this.#virsh, domain, signal);
    if (!other || !sameOwner(other, owner)) {
      this.#forget(domain);
      throw foreignGuest(domain, other?.build ?? 'unknown', other?.attempt ?? 0);
    }
  }

  #forget(domain: string): void {
    this.#guests.delete(domain);
    this.#addresses.forget(domain);
    this.#guestAddresses.forget(domain);
    this.#health.forget(domain);
  }

  async #console(domain: string, signal: AbortSignal): Promise<string | undefined> {
    const folder = this.#guests.get(domain)?.folder;
    return folder === undefined ? undefined : readConsole(this.#virsh, consoleFile(folder), signal);
  }
}
