import { type AddressInfo, createServer, isIP, type Socket } from 'node:net';
import { listenerFailed } from '../../errors/worker.ts';
import type { HostSource } from '../../ssh/types.ts';
import { isLoopbackAddress } from '../../util/loopback.ts';
import type { ListenAt, ServeMetadata } from '../../worker/types.ts';
import type { OpenRoute, RouteOptions } from './open-route.ts';

/** A server on an address and port of this machine, for one worker. */
interface Listener {
  id: string;
  /** The newest last: a redeploy opens its route before the previous one is closed. */
  handlers: ServeMetadata[];
  port: number;
  /** Removes a handler, and closes the server with the last one. @returns whether the server was closed */
  leave(handler: ServeMetadata): Promise<boolean>;
  close(): Promise<void>;
}

/** The listeners of one process: routes of the same worker share one. */
export class Listeners {
  /** Those with a fixed port, by the address and port requested. */
  readonly #fixed = new Map<string, Promise<Listener>>();
  readonly #all = new Set<Promise<Listener>>();

  /** Returns the worker's listener at an address and port, with a handler added; a new one for port 0. */
  async enter(id: string, at: ListenAt, handler: ServeMetadata): Promise<Listener> {
    const key = `${at.address} ${at.port}`;
    const existing = at.port === 0 ? undefined : await this.#fixed.get(key)?.catch(() => undefined);
    if (existing?.id === id && existing.handlers.length > 0) {
      existing.handlers.push(handler);
      return existing;
    }
    const forget = () => {
      this.#all.delete(listener);
      if (this.#fixed.get(key) === listener) this.#fixed.delete(key);
    };
    const listener = listen(id, at, handler, forget);
    this.#all.add(listener);
    if (existing === undefined) this.#fixed.set(key, listener);
    // The next caller tries again.
    listener.catch(forget);
    return listener;
  }

  /** Closes all of them, whoever uses them. */
  async close(): Promise<void> {
    await Promise.allSettled([...this.#all].map(async (one) => (await one).close()));
  }
}

/**
 * Opens a route to an address and port of this machine, for a worker that is this machine. At a loopback address a web
 * server stands before it, which guests reach through the operator's own setup and which names the guest in X-Real-IP;
 * at other addresses rules route the guests' requests.
 */
export async function openListener(
  listeners: Listeners,
  source: HostSource,
  at: ListenAt,
  { id, serve, opened, closed }: RouteOptions,
  signal: AbortSignal,
): Promise<OpenRoute> {
  signal.throwIfAborted();
  const listener = await listeners.enter(id, at, serve);
  const destination = { address: at.address, port: listener.port };
  const close = async (): Promise<void> => {
    // The port stays with the worker while another of its routes is open.
    if (await listener.leave(serve)) closed(destination);
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

async function listen(
  id: string,
  { address, port }: ListenAt,
  handler: ServeMetadata,
  onClose: () => void,
): Promise<Listener> {
  const sockets = new Set<Socket>();
  const handlers = [handler];
  const server = createServer({ noDelay: true }, (socket) => {
    sockets.add(socket);
    socket.on('close', () => sockets.delete(socket));
    socket.on('error', () => {}); // 'close' follows
    handlers.at(-1)?.(socket, plain(socket.remoteAddress ?? ''), { proxy: true });
  });
  await new Promise<void>((resolve, reject) => {
    server.once('error', (error) => reject(listenerFailed(address, port, error)));
    server.listen(port, address, resolve);
  });
  server.on('error', () => {}); // a connection that could not be accepted: the guest retries
  const close = async (): Promise<void> => {
    onClose();
    await new Promise<void>((resolve) => {
      server.close(() => resolve());
      for (const socket of sockets) socket.destroy();
    });
  };
  return {
    id,
    handlers,
    close,
    port: (server.address() as AddressInfo).port,
    async leave(gone) {
      const at = handlers.indexOf(gone);
      if (at < 0) return false;
      handlers.splice(at, 1);
      if (handlers.length > 0) return false;
      await close();
      return true;
    },
  };
}

/** Unwraps an IPv4 address, which a dual-stack socket shows as ::ffff:192.0.2.1. */
const plain = (address: string): string => {
  const mapped = /^::ffff:(.*)$/i.exec(address)?.[1];
  return mapped !== undefined && isIP(mapped) === 4 ? mapped : address;
};
