import { networkDown, networkMissing } from '../../errors/libvirt-network.ts';
import { program } from '../../util/program.ts';
import type { Virsh } from '../virsh.ts';
import { type DhcpLease, parseLeases } from './tables.ts';

/** What a guest's interface is attached to: a libvirt network, or another bridge of the worker. */
export interface NetworkPlace {
  /** The libvirt network, which provides DHCP; missing for other bridges. */
  network?: string;
  bridge: string;
}

const LIST = program(import.meta.url, 'list-networks');

const RELEASE = program(import.meta.url, 'release-leases');

interface ListedNetwork {
  name: string;
  active: boolean;
  bridge: string;
}

/** The libvirt networks and bridges of one worker, read again whenever an unknown one is requested. */
export class Networks {
  readonly #virsh: Virsh;
  #networks: ListedNetwork[] = [];
  #bridges: string[] = [];

  constructor(virsh: Virsh) {
    this.#virsh = virsh;
  }

  /** Resolves a network or bridge name from the settings. @throws CiError if there is none */
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

  /** Reads everything again at the next use, after a guest was refused. */
  forget(): void {
    this.#networks = [];
    this.#bridges = [];
  }

  /** Returns the libvirt networks of a running domain with its MACs; none if it is gone. */
  async of(domain: string, signal: AbortSignal): Promise<{ network: string; mac: string }[]> {
    const settings = { signal, what: `the interfaces of guest ${domain}` };
    const { code, stdout } = await this.#virsh.ask(['domiflist', '--domain', domain], settings);
    if (code !== 0) return [];
    // Interface, type, source, model, MAC.
    const rows = stdout.split('\n').map((line) => line.trim().split(/\s+/));
    return rows.flatMap(([, type, network, , mac]) => (type === 'network' && network && mac ? { network, mac } : []));
  }

  /** Returns the DHCP leases of a MAC, the newest first. */
  async leases(network: string, mac: string, signal: AbortSignal): Promise<DhcpLease[]> {
    const text = await this.#virsh.run(['net-dhcp-leases', '--network', network, '--mac', mac], {
      signal,
      what: `the list of the leases of network ${network}`,
    });
    return parseLeases(text).filter((lease) => lease.mac === mac);
  }

  /** Releases the DHCP leases of a guest that is gone. */
  async release(leases: { network: string; mac: string }[], signal: AbortSignal): Promise<void> {
    // A guest of a dead controller may be stopped before any guest was booted.
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
