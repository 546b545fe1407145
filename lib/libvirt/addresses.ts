import { macTaken } from '../errors/libvirt.ts';
import type { Lookout } from './lookout.ts';
import { macOfTap } from './mac.ts';
import type { Networks } from './networks.ts';
import { type DomainInterface, parseInterfaces } from './tables.ts';
import type { Virsh } from './virsh.ts';

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

/** Which domain has which MAC and which address, on one worker. */
export class Addresses {
  readonly #virsh: Virsh;
  readonly #networks: Networks;
  readonly #lookout: Pick<Lookout, 'look'>;
  /** By MAC: of guests that were booted here, and of those found since. */
  readonly #domains = new Map<string, string>();
  #listed: { at: number; rows: Promise<DomainInterface[]> } | undefined;

  constructor(virsh: Virsh, networks: Networks, lookout: Pick<Lookout, 'look'>) {
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
  }

  /**
   * The address that a MAC has now: as libvirt's lease says it, and where it gives none (a foreign bridge) as the worker's
   * ARP table does. The table is looked into first, as that costs next to nothing: a guest stands there from its first
   * packet, and with the offer of a lease.
   *
   * @param thorough whether to ask for a lease of a guest that no table knows, and to believe the table where there is
   * none: a guest may have set its address itself
   */
  async of(
    mac: string,
    network: string | undefined,
    thorough: boolean,
    signal: AbortSignal,
  ): Promise<string | undefined> {
    const { arp } = await this.#lookout.look(signal);
    const shown = arp.find((entry) => entry.mac === mac)?.address;
    if (network === undefined || (shown === undefined && !thorough)) return shown;
    return (await this.#networks.lease(network, mac, signal)) ?? (thorough ? shown : undefined);
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
