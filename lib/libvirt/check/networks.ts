import { quote } from '../../ssh/quote.ts';
import type { Check } from './item.ts';
import type { Facts } from './program.ts';

/** The first dnsmasq that has `dhcp-ignore-clid`; an older one does not start with it. */
const IGNORES_CLIENT_IDS_SINCE = [2, 81] as const;

/** Libvirt's own options for dnsmasq (https://libvirt.org/formatnetwork.html#network-namespaces). */
const NAMESPACE = 'xmlns:dnsmasq="http://libvirt.org/schemas/network/dnsmasq/1.0"';
const OPTION = '<dnsmasq:option value="dhcp-ignore-clid"/>';

/** Reports the libvirt networks of a worker, and which running ones could serve guests better. */
export function checkNetworks(facts: Facts): Check[] {
  const networks = facts('network').map((line) => {
    const [state, ...name] = line.split(' ');
    return { active: state === 'active', name: name.join(' ') };
  });
  const active = networks.filter((one) => one.active).map(({ name }) => name);
  const idle = networks.filter((one) => !one.active).map(({ name }) => name);
  // Without libvirt, its networks are unknown.
  if (facts('libvirt').length === 0) return [];
  const start = (name: string): string => `virsh net-start ${quote([name])} && virsh net-autostart ${quote([name])}`;
  if (active.length > 0) {
    const detail = `active: ${active.join(', ')}${idle.length > 0 ? `; not active: ${idle.join(', ')}` : ''}`;
    const found: Check = {
      what: 'networks',
      ok: true,
      detail,
      ...(idle[0] === undefined ? {} : { fix: start(idle[0]) }),
    };
    return [found, ...checkClientIds(facts)];
  }
  if (idle[0] !== undefined) {
    return [{ what: 'networks', ok: false, detail: `not active: ${idle.join(', ')}`, fix: start(idle[0]) }];
  }
  const define = `virsh net-define /usr/share/libvirt/networks/default.xml && ${start('default')}`;
  const bridges = facts('bridge');
  if (bridges.length === 0) return [{ what: 'networks', ok: false, detail: 'libvirt has none.', fix: define }];
  const detail = `libvirt has none; bridges: ${bridges.join(', ')}`;
  return [{ what: 'networks', ok: true, detail, fix: define }];
}

/**
 * Reports each running network whose dnsmasq knows guests by their DHCP client ids, with the command that changes it.
 * No failure, since builds look up a guest's address again until a login works.
 */
function checkClientIds(facts: Facts): Check[] {
  const [version = ''] = facts('dnsmasq');
  const isOld = isOlder(version, IGNORES_CLIENT_IDS_SINCE);
  return facts('clid').map((line): Check => {
    const [how = '', ...rest] = line.split(' ');
    const name = rest.join(' ');
    const why = `Network ${name} tells guests apart by their DHCP client ids, so the address of a cloud image's guest may change while it boots. Builds follow it; other connections to that guest break`;
    if (isOld) {
      return {
        what: 'networks',
        ok: true,
        detail: `${why}. dnsmasq 2.81 or newer can ignore them; here is ${version}.`,
      };
    }
    const detail = `${why}. This lets dnsmasq ignore them and restarts the network, which cuts running guests off: run it when there are none.`;
    return { what: 'networks', ok: true, detail, fix: ignoreClientIds(name, how) };
  });
}

/**
 * Returns the command that lets a network ignore DHCP client ids.
 *
 * @param how what its definition has already: `options` other options of dnsmasq, `defined` this one too, `none`
 */
function ignoreClientIds(network: string, how: string): string {
  const name = quote([network]);
  const restart = `virsh net-destroy ${name} && virsh net-start ${name}`;
  if (how === 'defined') return restart;
  const edit =
    how === 'options'
      ? ['-e', `s|^  <dnsmasq:options>|&${OPTION}|`]
      : ['-e', `s|^<network|& ${NAMESPACE}|`, '-e', `s|^</network>|<dnsmasq:options>${OPTION}</dnsmasq:options>&|`];
  return `virsh net-dumpxml --inactive ${name} | sed ${quote(edit)} | virsh net-define /dev/stdin && ${restart}`;
}

/** Whether a version is older than another; not if it is unknown. */
function isOlder(version: string, [major, minor]: readonly [number, number]): boolean {
  const [, ...numbers] = /^(\d+)\.(\d+)/.exec(version) ?? [];
  const [first = major, second = minor] = numbers.map(Number);
  return first < major || (first === major && second < minor);
}
