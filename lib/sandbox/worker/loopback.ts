import { randomInt } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { createServer } from 'node:net';
import { endianness } from 'node:os';
import { noLoopback } from '../../errors/worker.ts';

/** Random addresses tried. */
const MAX_ATTEMPT_COUNT = 20;

/**
 * Chooses an address of 127.64.0.0/10 that no TCP socket of this machine uses.
 *
 * @param taken addresses of guests, to which the new one is added
 * @throws CiError if there is none, as on a system that cannot bind such addresses
 */
export async function freeLoopback(taken: Set<string>): Promise<string> {
  const used = await usedAddresses();
  for (let i = 0; i < MAX_ATTEMPT_COUNT; i++) {
    const address = `127.${randomInt(64, 128)}.${randomInt(256)}.${randomInt(1, 255)}`;
    if (used.has(address) || !(await canBind(address)) || taken.has(address)) continue;
    taken.add(address);
    return address;
  }
  throw noLoopback();
}

/**
 * Returns the local IPv4 addresses of all TCP sockets, from /proc/net/tcp (proc(5)): hexadecimal, in the machine's byte
 * order.
 */
async function usedAddresses(): Promise<Set<string>> {
  const table = await readFile('/proc/net/tcp', 'latin1').catch(() => '');
  const used = new Set<string>();
  for (const [, hex] of table.matchAll(/^\s*\d+: ([0-9A-F]{8}):/gm)) {
    const bytes = [...Buffer.from(hex!, 'hex')];
    used.add((endianness() === 'LE' ? bytes.reverse() : bytes).join('.'));
  }
  return used;
}

function canBind(address: string): Promise<boolean> {
  return new Promise((resolve) => {
    const server = createServer();
    server.once('error', () => resolve(false));
    server.listen(0, address, () => server.close(() => resolve(true)));
  });
}
