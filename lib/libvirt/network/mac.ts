import { randomBytes } from 'node:crypto';
import { badMac } from '../../errors/libvirt-network.ts';

/** A MAC that no guest had before, in the range that QEMU's guests use: a reused one gets an old lease's address. */
export const freshMac = (): string => ['52', '54', '00', ...randomBytes(3).toString('hex').match(/../g)!].join(':');

/** A MAC from the settings in its usual form. @throws CiError where it is none, or one of many stations */
export function checkMac(mac: string): string {
  const text = mac.trim().toLowerCase().replaceAll('-', ':');
  if (!/^[0-9a-f][02468ace](:[0-9a-f]{2}){5}$/.test(text)) throw badMac(mac);
  return text;
}

const PREFIX = 'rk';

/**
 * Name of the worker's end of an interface, made of its MAC: so the port of a bridge that a frame came in by tells whose
 * it is, whatever MAC stands in the frame. 14 characters; Linux takes 15.
 */
export const tapName = (mac: string): string => `${PREFIX}${mac.replaceAll(':', '')}`;

/** The MAC that a port's name was made of; undefined where it is not ours. */
export function macOfTap(port: string): string | undefined {
  const hex = new RegExp(`^${PREFIX}([0-9a-f]{12})$`).exec(port)?.[1];
  return hex?.replace(/..(?=.)/g, '$&:');
}
