/** A DHCP lease as libvirt tells it. */
export interface DhcpLease {
  mac: string;
  address: string;
  /** `2026-11-25 10:58:14`, by the worker's clock: later leases compare greater. */
  expiry: string;
}

/**
 * Reads `virsh -q net-dhcp-leases`: date, time, MAC, protocol, address/prefix, host name, client id. Only IPv4; where a
 * MAC has several the newest, which has the latest expiry, stands first.
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

/** Reads /proc/net/arp (proc(5)): address, type, flags, MAC, mask, device. Entries without an answer are left out. */
export function parseArp(text: string): { address: string; mac: string; device: string }[] {
  return text
    .split('\n')
    .slice(1)
    .map((line) => line.trim().split(/\s+/))
    .filter((words) => words.length >= 6 && Number(words[2]) !== 0 && words[3] !== '00:00:00:00:00:00')
    .map(([address, , , mac, , device]) => ({ address: address!, mac: mac!.toLowerCase(), device: device! }));
}

/** Where a bridge last saw a MAC: behind which of its ports. */
export interface Forwarding {
  mac: string;
  port: string;
  bridge: string;
}

/** Reads `bridge fdb show`: what each bridge has learned. The bridges' own entries are left out. */
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

/** Reads lines of "DOMAIN<tab>" before `virsh -q domiflist`'s own: name, type, source, model, MAC. */
export function parseInterfaces(text: string): DomainInterface[] {
  const found: DomainInterface[] = [];
  for (const line of text.split('\n')) {
    const [domain, row] = line.split('\t');
    const words = (row ?? '').trim().split(/\s+/);
    if (words.length >= 5) found.push({ domain: domain!, source: words[2]!, mac: words[4]!.toLowerCase() });
  }
  return found;
}
