import { randomBytes } from 'node:crypto';
import { badMac } from '../../errors/libvirt-network.ts';

/** Returns a random MAC in QEMU's range: a reused one would get the address of an old lease. */
export const freshMac = (): string => ['52', '54', '00', ...randomBytes(3).toString('hex').match(/../g)!].join(':');

/** Normalizes a MAC from the settings. @throws CiError if it is invalid, or a multicast address */
export function checkMac(mac: string): string {
  const text = mac.trim().toLowerCase().replaceAll('-', ':');
  if (!/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(text)) throw badMac(mac);
  return text;
}

const TAP_PREFIX = 'rk';

/**
 * Returns the name of an interface's port on the worker, made of its MAC: the port identifies the guest whatever MAC it
 * sends from. 14 characters; Linux allows 15.
 */
export const tapName = (mac: string): string => `${TAP_PREFIX}${mac.replaceAll(':', '')}`;

/** Returns the MAC in a port's name; undefined if the port is not one of ours. */
export function macOfTap(port: string): string | undefined {
  const hex = new RegExp(`^${TAP_PREFIX}([0-9a-f]{12})$`).exec(port)?.[1];
  return hex?.replace(/..(?=.)/g, '$&:');
}
