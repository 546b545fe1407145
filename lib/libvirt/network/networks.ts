import { networkDown, networkMissing } from '../../errors/libvirt-network.ts';
import type { Virsh } from '../virsh.ts';
import { type DhcpLease, parseLeases } from './tables.ts';

/** Where a guest's interface hangs: a libvirt network, or a bridge that is the worker's own. */
export interface NetworkPlace {
  /** The libvirt network, which gives leases; missing for a bridge that none of them has. */
  network?: string;
  bridge: string;
}

/**
 * Prints each libvirt network as "network NAME yes|no BRIDGE", then each bridge as "bridge NAME". $1: libvirt's URI.
 */
const LIST = `
names=$(virsh -q -c "$1" net-list --all --name) || exit
printf '%s\\n' "$names" | while IFS= read -r name; do
  [ -n "$name" ] || continue
  virsh -q -c "$1" net-info --network "$name" | {
    bridge= active=
    while read -r key value; do
      case $key in
        Active:) active=$value ;;
        Bridge:) bridge=$value ;;
      esac
    done
    echo "network $name $active $bridge"
  }
done
for dir in /sys/class/net/*/bridge; do
  [ -d "$dir" ] || continue
  dir=\${dir%/bridge}
  echo "bridge \${dir##*/}"
done
`;

/**
 * Gives a guest's leases back, which otherwise last an hour: many guests would use up a network's addresses. dnsmasq
 * takes back a lease that was given to a client id (systemd-networkd's, dhcpcd's) for that id only. Arguments after
 * libvirt's URI: network, bridge and MAC of each interface. Does nothing if dnsmasq-utils is missing.
 */
const RELEASE = `
uri=$1
shift
command -v dhcp_release >/dev/null || exit 0
while [ "$#" -ge 3 ]; do
  virsh -q -c "$uri" net-dhcp-leases --network "$1" --mac "$3" | while read -r _ _ mac _ address _ client _; do
    [ "$mac" = "$3" ] || continue
    case $client in *[!0-9a-fA-F:]*) client= ;; esac
    dhcp_release "$2" "\${address%/*}" "$3" \${client:+"$client"}
    ip neigh del "\${address%/*}" dev "$2"
  done
  shift 3
done 2>/dev/null
exit 0
`;

interface Listed {
  name: string;
  active: boolean;
  bridge: string;
}

/** The libvirt networks and bridges of one worker, read when one is asked for that is not known yet. */
export class Networks {
  readonly #virsh: Virsh;
  #networks: Listed[] = [];
  #bridges: string[] = [];

  constructor(virsh: Virsh) {
    this.#virsh = virsh;
  }

  /** What a network's name in the settings stands for. @throws CiError where nothing of that name is there */
  async resolve(source: string, signal: AbortSignal): Promise<NetworkPlace> {
    const known = this.#find(source);
    if (known) return known;
    await this.#read(signal);
    const found = this.#find(source);
    if (found) return found;
    if (this.#networks.some(({ name }) => name === source)) throw networkDown(this.#virsh.label, source);
    throw networkMissing(this.#virsh.label, source, [
      ...new Set([...this.#networks.map(({ name }) => name), ...this.#bridges]),
    ]);
  }

  /** Forgets what was read: a guest was refused. */
  forget(): void {
    this.#networks = [];
    this.#bridges = [];
  }

  /** The libvirt networks that a running domain hangs on, and its MAC there; none where it is gone. */
  async of(domain: string, signal: AbortSignal): Promise<{ network: string; mac: string }[]> {
    const settings = { signal, what: `the interfaces of guest ${domain}` };
    const { code, stdout } = await this.#virsh.ask(['domiflist', '--domain', domain], settings);
    if (code !== 0) return [];
    // Interface, type, source, model, MAC.
    const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/));
    return rows.flatMap(([, type, network, , mac]) => (type === 'network' && network && mac ? { network, mac } : []));
  }

  /** What libvirt's DHCP server gave a MAC, the newest first. */
  async leases(network: string, mac: string, signal: AbortSignal): Promise<DhcpLease[]> {
    const text = await this.#virsh.run(['net-dhcp-leases', '--network', network, '--mac', mac], {
      signal,
      what: `the list of the leases of network ${network}`,
    });
    return parseLeases(text).filter((lease) => lease.mac === mac);
  }

  /** Gives back the leases of a guest that is gone: MACs and the networks that they hung on. */
  async release(leases: { network: string; mac: string }[], signal: AbortSignal): Promise<void> {
    // A guest of a controller that died may be ended before any was booted.
    if (leases.length > 0 && this.#networks.length === 0) await this.#read(signal);
    const args = leases.flatMap(({ network, mac }) => {
      const bridge = this.#networks.find(({ name }) => name === network)?.bridge;
      return bridge ? [network, bridge, mac] : [];
    });
    if (args.length === 0) return;
    await this.#virsh.program(RELEASE, args, { signal, what: 'the return of DHCP leases' });
  }

  #find(source: string): NetworkPlace | undefined {
    const running = this.#networks.filter(({ active, bridge }) => active && bridge !== '');
    const network = running.find(({ name }) => name === source) ?? running.find(({ bridge }) => bridge === source);
    if (network) return { network: network.name, bridge: network.bridge };
    return this.#bridges.includes(source) ? { bridge: source } : undefined;
  }

  async #read(signal: AbortSignal): Promise<void> {
    const text = await this.#virsh.program(LIST, [], { signal, what: 'the list of networks' });
    this.forget();
    for (const line of text.split('\n')) {
      const [kind, name, active, bridge] = line.split(' ');
      if (kind === 'network') this.#networks.push({ name: name!, active: active === 'yes', bridge: bridge ?? '' });
      else if (kind === 'bridge') this.#bridges.push(name!);
    }
  }
}
