import { type AddressInfo, createServer, isIP, type Socket } from 'node:net';
import { listenerFailed } from '../errors/worker.ts';
import type { HostSource } from '../ssh/types.ts';
import type { OpenWay, WayOptions } from './metadata-way.ts';
import type { ListenAt } from './types.ts';

/**
 * The way of guests' requests to an address and port of this machine, for a worker that is this machine. At a loopback
 * address a web server stands before it, which guests reach by the operator's own means and which tells in X-Real-IP who
 * asks; else rules lead guests there.
 */
export async function openListener(
  source: HostSource,
  { address, port }: ListenAt,
  { serve, opened, closed }: WayOptions,
  signal: AbortSignal,
): Promise<OpenWay> {
  signal.throwIfAborted();
  const sockets = new Set<Socket>();
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // 'close' follows
    serve(socket, plain(socket.remoteAddress ?? ''), { proxy: true });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenerFailed(address, port, error)));
    server.listen(port, address, resolve);
  });
  server.on('error', () => {}); // one connection that could not be accepted; the guest asks again
  const destination = { address, port: (server.address() as AddressInfo).port };
  const close = (): Promise<void> => {
    closed(destination.port);
    return new Promise((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  };
  if (isLoopback(address)) return { place: () => undefined, close };
  try {
    const host = await source(signal);
    await opened(host, destination, signal);
    return { place: () => ({ host, destination }), close };
  } catch (error) {
    await close();
    throw error;
  }
}

/** An IPv4 address as such: a socket of both families shows it as ::ffff:192.0.2.1. */
const plain = (address: string): string => {
  const mapped = /^::ffff:(.*)$/i.exec(address)?.[1];
  return mapped !== undefined && isIP(mapped) === 4 ? mapped : address;
};

/** Whether only this machine's own programs can come from, or reach, this address. */
export const isLoopback = (address: string): boolean => /^127\./.test(address) || address === '::1';
