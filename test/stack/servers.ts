import { once } from 'node:events';
import { createReadStream, statSync } from 'node:fs';
import { createServer as createWeb } from 'node:http';
import { type AddressInfo, connect, createServer, type Server } from 'node:net';
import { pipeline } from 'node:stream/promises';
import { waitForEvent } from '../support/wait.ts';

/** A server that is listening. */
export interface Listener {
  port: number;
  close(): Promise<void>;
}

/** The sandbox's address on its guests' network. */
export const SANDBOX_ADDRESS = '192.168.122.1';

/** Forwards a port of the sandbox's address to a port of its loopback, so that guests can reach a server there. */
export async function forwardPort(to: number, port = 0): Promise<Listener> {
  const server = createServer((socket) => {
    const there = connect(to, '127.0.0.1');
    for (const [from, into] of [
      [socket, there],
      [there, socket],
    ] as const) {
      pipeline(from, into).catch(() => into.destroy());
    }
  });
  return listen(server, SANDBOX_ADDRESS, port);
}

/** Starts a web server that answers every request with one file. */
export function serveFile(file: string): Promise<Listener> {
  const { size } = statSync(file);
  const server = createWeb((_, response) => {
    response.writeHead(200, { 'content-length': size });
    pipeline(createReadStream(file), response).catch(() => response.destroy());
  });
  return listen(server, '127.0.0.1');
}

async function listen(server: Server, address: string, port = 0): Promise<Listener> {
  server.listen(port, address);
  await once(server, 'listening');
  return {
    port: (server.address() as AddressInfo).port,
    async close() {
      server.close();
      await waitForEvent('server: close', server, 'close');
    },
  };
}
