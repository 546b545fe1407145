import { macTaken } from '../../errors/libvirt-network.ts';
import { program } from '../../util/program.ts';
import type { Virsh } from '../virsh.ts';
import { macOfTap } from './mac.ts';
import type { NeighborWatcher } from './neighbor-watcher.ts';
import type { Networks } from './networks.ts';
import { type DomainInterface, parseInterfaces } from './tables.ts';

const INTERFACES = program(import.meta.url, 'list-interfaces');

/** How long a list of all interfaces stays valid: requests from unknown addresses must not keep libvirt busy. */
const INTERFACES_TTL_MS = 1_000;

/** Addresses remembered per guest: a hostile guest may take any number. */
const MAX_ADDRESS_COUNT = 32;

/** Knows which domain has which MAC and which address on one worker. */
export class Addresses {
  readonly #virsh: Virsh;
  readonly #networks: Networks;
  readonly #neighbors: Pick<NeighborWatcher, 'look'>;
  /** Domains by MAC. */
  readonly #domains = new Map<string, string>();
  /** The addresses of each noted guest in the order first seen, with the expiry of their leases. */
  readonly #had = new Map<string, Map<string, string | undefined>>();
  #listed: { at: number; rows: Promise<DomainInterface[]> } | undefined;

  constructor(virsh: Virsh, networks: Networks, neighbors: Pick<NeighborWatcher, 'look'>) {
    this.#virsh = virsh;
    this.#networks = networks;
    this.#neighbors = neighbors;
  }

  /**
   * Notes a guest's MACs before it starts.
   *
   * @throws CiError if another guest has one of them, as requests could not be attributed. Nothing is noted then.
   */
  note(domain: string, macs: readonly string[]): void {
    for (const mac of macs) {
      const holder = this.#domains.get(mac);
      if (holder !== undefined && holder !== domain) throw macTaken(this.#virsh.label, domain, mac, holder);
    }
    for (const mac of macs) this.#domains.set(mac, domain);
  }

  /** Forgets a guest that was stopped. */
  forget(domain: string): void {
    for (const [mac, name] of this.#domains) if (name === domain) this.#domains.delete(mac);
    this.#had.delete(domain);
  }

  /**
   * Returns another guest whose latest address is that of this one, and the address. DHCP servers give two guests one
   * address if they send the same client id, which some systems derive from a machine-id in their image.
   */
  sharer(domain: string): { other: string; address: string } | undefined {
    const own = this.#had.get(domain);
    const last = own && lastOf(own);
    if (last === undefined) return undefined;
    for (const [other, had] of this.#had) {
      if (other === domain) continue;
      const its = lastOf(had);
      if (its?.address === last.address && its.isLeased === last.isLeased) return { other, address: last.address };
    }
    return undefined;
  }

  /**
   * Returns the addresses that a MAC may have now, the most likely one first. A guest often requests several while it
   * boots (its initial RAM disk, cloud-init and its network service use different client ids), keeps the last, and
   * drops the others, whose leases remain. On a libvirt network the newest lease comes first; on other bridges there is
   * only the worker's ARP table. That is cheap to read, and has a guest from its first packet on, so it is read first.
   *
   * @param thorough also asks for leases of a guest that is not in the table, and accepts an address that was not
   *   leased, since a guest may have set it itself
   */
  async of(mac: string, network: string | undefined, thorough: boolean, signal: AbortSignal): Promise<string[]> {
    const { arp } = await this.#neighbors.look(signal);
    for (const entry of arp) this.#remember(entry.mac, entry.address);
    const shown = arp.filter((entry) => entry.mac === mac).map(({ address }) => address);
    if (network === undefined || (shown.length === 0 && !thorough)) return [...new Set(shown)];
    const leases = await this.#networks.leases(network, mac, signal);
    for (const { address, expiry } of leases.toReversed()) this.#remember(mac, address, expiry);
    const leased = leases.map(({ address }) => address);
    return [...new Set([...leased, ...(leased.length > 0 || thorough ? shown : [])])];
  }

  #remember(mac: string, address: string, expiry?: string): void {
    const domain = this.#domains.get(mac);
    if (domain === undefined) return;
    const had = this.#had.get(domain) ?? new Map<string, string | undefined>();
    had.set(address, expiry ?? had.get(address));
    if (had.size > MAX_ADDRESS_COUNT) had.delete(had.keys().next().value!);
    this.#had.set(domain, had);
  }

  /**
   * Returns the domain that has an address now, by who answers for it rather than by leases: a guest that takes another
   * guest's address is identified by its MAC, and one that takes that MAC too by its bridge port.
   */
  async domainAt(address: string, signal: AbortSignal): Promise<string | undefined> {
    const { arp, ports } = await this.#neighbors.look(signal);
    const entry = arp.find((one) => one.address === address);
    if (entry === undefined) return undefined;
    // On the bridge of the address only: on a private bridge, a guest may claim any MAC.
    const port = ports.find(({ mac, bridge }) => mac === entry.mac && bridge === entry.device)?.port;
    const mac = (port !== undefined && macOfTap(port)) || entry.mac;
    return this.#domains.get(mac) ?? (await this.#find(mac, signal));
  }

  /** Finds a domain that an earlier run of the controller, or another worker-host for this machine, booted. */
  async #find(mac: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#listed === undefined || performance.now() - this.#listed.at > INTERFACES_TTL_MS) {
      const rows = this.#virsh
        .program(INTERFACES, [], { signal, what: "the list of the guests' interfaces" })
        .then(parseInterfaces);
      rows.catch(() => {
        this.#listed = undefined;
      });
      this.#listed = { at: performance.now(), rows };
    }
    return (await this.#listed.rows).find((row) => row.mac === mac)?.domain;
  }
}

/**
 * Returns the latest address, by the expiry of the leases. Addresses without a lease, which may be another guest's,
 * count only if there is no lease, in the order first seen.
 */
function lastOf(had: ReadonlyMap<string, string | undefined>): { address: string; isLeased: boolean } | undefined {
  const leases = [...had].filter((entry): entry is [string, string] => entry[1] !== undefined);
  const latest = leases.reduce<[string, string] | undefined>(
    (last, lease) => (last === undefined || lease[1] >= last[1] ? lease : last),
    undefined,
  );
  if (latest !== undefined) return { address: latest[0], isLeased: true };
  const shown = [...had.keys()].at(-1);
  return shown === undefined ? undefined : { address: shown, isLeased: false };
}
