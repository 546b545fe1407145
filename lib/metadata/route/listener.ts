import { type AddressInfo, createServer, isIP, type Socket } from 'node:net';
import { listenerFailed } from '../../errors/worker.ts';
import type { HostSource } from '../../ssh/types.ts';
import { isLoopbackAddress } from '../../util/loopback.ts';
import type { ListenAt, ServeMetadata } from '../../worker/types.ts';
import type { OpenRoute, RouteOptions } from './open-route.ts';

/** An address and port that is listened on, for one worker. */
interface Door {
  id: string;
  /** Who serves it, the newest last: a redeploy opens its way before the one before it is closed. */
  served: ServeMetadata[];
  port: number;
  /** Lets go. @returns whether nobody serves it any more, and it is closed */
  leave(serve: ServeMetadata): Promise<boolean>;
}

/** Doors of this process, by address and port as they were asked for. */
const doors = new Map<string, Promise<Door>>();

/**
 * The way of guests' requests to an address and port of this machine, for a worker that is this machine. At a loopback
 * address a web server stands before it, which guests reach by the operator's own means and which tells in X-Real-IP who
 * asks; else rules lead guests there.
 */
export async function openListener(
  source: HostSource,
  at: ListenAt,
  { id, serve, opened, closed }: RouteOptions,
  signal: AbortSignal,
): Promise<OpenRoute> {
  signal.throwIfAborted();
  const door = await enter(id, at, serve);
  const destination = { address: at.address, port: door.port };
  const close = async (): Promise<void> => {
    // The port stays its worker's as long as another way of it is open.
    if (await door.leave(serve)) closed(destination);
  };
  if (isLoopbackAddress(at.address)) return { close };
  try {
    await opened(await source(signal), destination, signal);
    return { close };
  } catch (error) {
    await close();
    throw error;
  }
}

async function enter(id: string, at: ListenAt, serve: ServeMetadata): Promise<Door> {
  const key = `${at.address} ${at.port}`;
  const there = at.port === 0 ? undefined : await doors.get(key)?.catch(() => undefined);
  if (there?.id === id && there.served.length > 0) {
    there.served.push(serve);
    return there;
  }
  const door = listen(id, at, serve, () => doors.get(key) === door && doors.delete(key));
  if (there === undefined) doors.set(key, door);
  // One that could not be opened is tried anew by the next.
  door.catch(() => doors.get(key) === door && doors.delete(key));
  return door;
}

async function listen(
  id: string,
  { address, port }: ListenAt,
  serve: ServeMetadata,
  onClose: () => void,
): Promise<Door> {
  const sockets = new Set<Socket>();
  const served = [serve];
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // 'close' follows
    served.at(-1)?.(socket, plain(socket.remoteAddress ?? ''), { proxy: true });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenerFailed(address, port, error)));
    server.listen(port, address, resolve);
  });
  server.on('error', () => {}); // one connection that could not be accepted; the guest asks again
  return {
    id,
    served,
    port: (server.address() as AddressInfo).port,
    async leave(gone) {
      const at = served.indexOf(gone);
      if (at < 0) return false;
      served.splice(at, 1);
      if (served.length > 0) return false;
      onClose();
      await new Promise<void>((resolve) => {
        server.close(() => resolve());
        for (const socket of sockets) socket.destroy();
      });
      return true;
    },
  };
}

/** An IPv4 address as such: a socket of both families shows it as ::ffff:192.0.2.1. */
const plain = (address: string): string => {
  const mapped = /^::ffff:(.*)$/i.exec(address)?.[1];
  return mapped !== undefined && isIP(mapped) === 4 ? mapped : address;
};
