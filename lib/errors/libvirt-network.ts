/** Errors of the networks and bridges that guests are attached to. */
import { CiError } from './ci-error.ts';
import { words } from './libvirt.ts';

/** Two running guests have the same address, so a login could reach either. */
export const addressShared = (worker: string, domain: string, other: string, address: string): CiError =>
  new CiError({
    code: 'libvirt/address-shared',
    blame: 'image',
    message: `${worker}: guests ${domain} and ${other} have the same address, ${address}. A DHCP server assigns one address to all guests that send the same client id: is /etc/machine-id empty in the image?`,
    advice: 'Empty it there, or make the network ignore client ids ("Check this host" shows the command).',
    isLoginFutile: true,
  });

/**
 * The network or bridge that is set for a guest does not exist on the worker.
 *
 * @param source as set in virsh-boot
 * @param there names of what exists
 */
export const networkMissing = (worker: string, source: string, there: readonly string[]): CiError =>
  new CiError({
    code: 'libvirt/no-network',
    blame: 'worker',
    message: `${worker}: there is no libvirt network and no bridge "${source}". There are: ${there.join(', ') || 'none'}.`,
    advice: `Select one of these in virsh-boot, or create it there (virsh net-start ${source}).`,
    excludesHost: true,
  });

/** The libvirt network that is set for a guest is defined, but stopped. */
export const networkDown = (worker: string, network: string): CiError =>
  new CiError({
    code: 'libvirt/network-down',
    blame: 'worker',
    message: `${worker}: the libvirt network ${network} is not running.`,
    advice: `Start it there: virsh net-start ${network} (and virsh net-autostart ${network}).`,
    excludesHost: true,
  });

/** A guest has no network card that leads to the worker. */
export const onlyPrivate = (domain: string): CiError =>
  new CiError({
    code: 'libvirt/only-private',
    blame: 'config',
    message: `Guest ${domain} is attached to private bridges only, so nothing can connect to it.`,
    advice: 'Add a libvirt network or a bridge of the worker.',
  });

/** A MAC address is malformed, or is a multicast address. */
export const badMac = (mac: string): CiError =>
  new CiError({
    code: 'libvirt/mac',
    blame: 'config',
    message: `"${mac}" is not a MAC address that a guest can have.`,
    advice: 'Enter six bytes such as 52:54:00:12:34:56, the first one even; or leave it empty for a new one each time.',
  });

/** A fixed MAC address is in use by another guest of the worker. @param holder the guest that has the MAC */
export const macTaken = (worker: string, domain: string, mac: string, holder: string): CiError =>
  new CiError({
    code: 'libvirt/mac-taken',
    blame: 'config',
    message: `${worker}: guest ${domain} cannot have the MAC ${mac}, because the running guest ${holder} has it and each would receive the other's packets.`,
    advice: 'Leave the MAC empty for a new one each time, or give the worker one slot.',
  });

/** The name of a private bridge is too long or has characters that an interface's cannot have. */
export const badBridgeName = (name: string): CiError =>
  new CiError({
    code: 'libvirt/bridge-name',
    blame: 'config',
    message: `"${name}%" cannot be the name of a private bridge.`,
    advice: 'Use up to 11 letters, digits, dots, dashes and underscores before the %.',
  });

/** The worker could not set up or remove a bridge that connects the guests of one build. */
export const bridgeFailed = (worker: string, bridge: string, said: string): CiError =>
  new CiError({
    code: 'libvirt/bridge',
    blame: 'worker',
    message: `${worker}: the private bridge ${bridge} could not be created or removed: ${words(said)}.`,
    advice: 'This needs root, ip (iproute2) and iptables there.',
    excludesHost: true,
  });
