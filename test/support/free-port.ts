import { once } from 'node:events';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { waitForEvent } from './wait.ts';

/** Returns a port of this machine that is free now, for a process that takes its port as an argument. */
export async function freePort(): Promise<number> {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  await waitForEvent('server: close', server, 'close');
  return port;
}
