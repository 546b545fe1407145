import { macTaken } from '../../errors/libvirt-network.ts';
import type { Virsh } from '../virsh.ts';
import { macOfTap } from './mac.ts';
import type { NeighborWatcher } from './neighbor-watcher.ts';
import type { Networks } from './networks.ts';
import { type DomainInterface, parseInterfaces } from './tables.ts';

/** Prints the interfaces of each running domain, the domain's name and a tab before each. $1: libvirt's URI. */
const INTERFACES = `
names=$(virsh -q -c "$1" list --name) || exit
printf '%s\\n' "$names" | while IFS= read -r name; do
  [ -n "$name" ] || continue
  virsh -q -c "$1" domiflist --domain "$name" 2>/dev/null | while IFS= read -r row; do
    printf '%s\\t%s\\n' "$name" "$row"
  done
done
`;

/** Milliseconds for which a list of all interfaces is good: a stranger's requests must not keep libvirt busy. */
const FRESH = 1_000;

/** Addresses that are remembered of one guest: a hostile one may take any number. */
const MAX_REMEMBERED = 32;

/** Which domain has which MAC and which address, on one worker. */
export class Addresses {
  readonly #virsh: Virsh;
  readonly #networks: Networks;
  readonly #lookout: Pick<NeighborWatcher, 'look'>;
  /** By MAC: of guests that were booted here, and of those found since. */
  readonly #domains = new Map<string, string>();
  /** The addresses that each noted guest was seen to have, as first seen, and when the lease of each ends. */
  readonly #had = new Map<string, Map<string, string | undefined>>();
  #listed: { at: number; rows: Promise<DomainInterface[]> } | undefined;

  constructor(virsh: Virsh, networks: Networks, lookout: Pick<NeighborWatcher, 'look'>) {
    this.#virsh = virsh;
    this.#networks = networks;
    this.#lookout = lookout;
  }

  /**
   * Notes a guest's MACs before it starts.
   *
   * @throws CiError where another guest has one of them: who asks could not be told. Nothing is noted then.
   */
  note(domain: string, macs: readonly string[]): void {
    for (const mac of macs) {
      const holder = this.#domains.get(mac);
      if (holder !== undefined && holder !== domain) throw macTaken(this.#virsh.label, domain, mac, holder);
    }
    for (const mac of macs) this.#domains.set(mac, domain);
  }

  forget(domain: string): void {
    for (const [mac, name] of this.#domains) if (name === domain) this.#domains.delete(mac);
    this.#had.delete(domain);
  }

  /**
   * A guest that has the same address as this one, and that address: neither got another since. DHCP servers give two
   * guests one address if they ask with one client id, which some systems derive from a machine-id that was baked into
   * their image.
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
   * The addresses that a MAC may have now, the most likely one first. A guest often asks for several while it boots (its
   * initial RAM disk, cloud-init and its network service each with a client id of their own), keeps the last, and drops
   * the others, whose leases stay. On a libvirt network the newest lease comes first; on a foreign bridge the worker's ARP
   * table is all there is. The table is read first, as that costs next to nothing: a guest is in it from its first packet.
   *
   * @param thorough whether to ask for leases of a guest that is not in the table, and to take an address of the table that
   * was not leased: a guest may have set it itself
   */
  async of(mac: string, network: string | undefined, thorough: boolean, signal: AbortSignal): Promise<string[]> {
    const { arp } = await this.#lookout.look(signal);
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
    if (had.size > MAX_REMEMBERED) had.delete(had.keys().next().value!);
    this.#had.set(domain, had);
  }

  /**
   * The domain that has an address now. Not the lease counts but who answers: a guest that takes another's address is
   * found out by its MAC, and one that takes another's MAC too by the port of the bridge that its frames come in by.
   */
  async domainAt(address: string, signal: AbortSignal): Promise<string | undefined> {
    const { arp, ports } = await this.#lookout.look(signal);
    const entry = arp.find((one) => one.address === address);
    if (entry === undefined) return undefined;
    // On the bridge that the address is on: on another one, which its build has for itself, a guest may claim any MAC.
    const port = ports.find(({ mac, bridge }) => mac === entry.mac && bridge === entry.device)?.port;
    const mac = (port !== undefined && macOfTap(port)) || entry.mac;
    return this.#domains.get(mac) ?? (await this.#find(mac, signal));
  }

  /** A domain that another controller's life, or another worker node for this machine, booted. */
  async #find(mac: string, signal: AbortSignal): Promise<string | undefined> {
    if (this.#listed === undefined || performance.now() - this.#listed.at > FRESH) {
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
 * The address that was got last: by the ends of the leases. What a guest itself answers for, which may be another's,
 * counts only if it was given no lease: as it was first seen.
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
