/** A DHCP lease, as libvirt prints it. */
export interface DhcpLease {
  mac: string;
  address: string;
  /** `2026-11-25 10:58:14`, by the worker's clock; comparable as a string. */
  expiry: string;
}

/**
 * Parses `virsh -q net-dhcp-leases`: date, time, MAC, protocol, address/prefix, host name, client id. Returns IPv4
 * leases, the one with the latest expiry first.
 */
export function parseLeases(text: string): DhcpLease[] {
  return text
    .split('\n')
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.length >= 5 && words[3] === 'ipv4')
    .map(([date, time, mac, , address]) => ({
      expiry: `${date} ${time}`,
      mac: mac!.toLowerCase(),
      address: address!.split('/')[0]!,
    }))
    .sort((a, b) => (a.expiry < b.expiry ? 1 : -1));
}

/** Parses /proc/net/arp (proc(5)): address, type, flags, MAC, mask, device. Skips unanswered entries. */
export function parseArp(text: string): { address: string; mac: string; device: string }[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.length >= 6 && Number(words[2]) !== 0 && words[3] !== '00:00:00:00:00:00')
    .map(([address, , , mac, , device]) => ({ address: address!, mac: mac!.toLowerCase(), device: device! }));
}

/** The bridge port at which a MAC was last seen. */
export interface Forwarding {
  mac: string;
  port: string;
  bridge: string;
}

/** Parses the learned and static entries of `bridge fdb show`. */
export function parseForwarding(text: string): Forwarding[] {
  const found: Forwarding[] = [];
  for (const line of text.split('\n')) {
    const [, mac, port, rest] = /^([0-9a-f:]{17}) dev (\S+)(.*)$/.exec(line.trim()) ?? [];
    if (mac === undefined || /\b(permanent|self)\b/.test(rest!)) continue;
    const [, bridge = ''] = /\bmaster (\S+)/.exec(rest!) ?? [];
    found.push({ mac, port: port!, bridge });
  }
  return found;
}

/** One interface of a domain. */
export interface DomainInterface {
  domain: string;
  mac: string;
  /** Name of the libvirt network or of the bridge. */
  source: string;
}

/** Parses lines of `virsh -q domiflist` (name, type, source, model, MAC), each preceded by the domain and a tab. */
export function parseInterfaces(text: string): DomainInterface[] {
  const found: DomainInterface[] = [];
  for (const line of text.split('\n')) {
    const [domain, row] = line.split('\t');
    const words = (row ?? '').trim().split(/\s+/);
    if (words.length >= 5) found.push({ domain: domain!, source: words[2]!, mac: words[4]!.toLowerCase() });
  }
  return found;
}
