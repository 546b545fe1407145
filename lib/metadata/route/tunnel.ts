import { setTimeout as sleep } from 'node:timers/promises';
import type { Host, HostSource } from '../../ssh/types.ts';
import { abortable } from '../../util/abort.ts';
import { Backoff } from '../../util/backoff.ts';
import type { OpenRoute, RouteOptions } from './open-route.ts';

const REOPEN_TIMEOUT_MS = 30_000;

const LOOPBACK = '127.0.0.1';

interface ForwardedPort {
  host: Host;
  port: number;
  close(): Promise<void>;
}

/**
 * Opens a route inside the SSH connection to the worker: SSH forwards a port on the worker's loopback to this process,
 * and rules route the guests' requests to it. It opens no port to anybody, and works across firewalls. If the
 * connection is lost, the route is opened again on the next one.
 */
export async function openTunnel(source: HostSource, options: RouteOptions, signal: AbortSignal): Promise<OpenRoute> {
  const stop = new AbortController();
  let now: ForwardedPort | undefined;

  const begin = async (within: AbortSignal): Promise<void> => {
    const listener = await listen(source, options, within);
    now = listener;
    await options.opened(listener.host, { address: LOOPBACK, port: listener.port }, within);
  };
  const end = async (): Promise<void> => {
    const last = now;
    now = undefined;
    if (!last) return;
    options.closed({ address: LOOPBACK, port: last.port });
    await last.close().catch(() => {});
  };
  const keepUp = async (): Promise<void> => {
    const backoff = new Backoff();
    while (!stop.signal.aborted) {
      if (now) await whenAborted(now.host.gone, stop.signal);
      await end();
      if (stop.signal.aborted) return;
      const began = performance.now();
      try {
        await begin(AbortSignal.any([stop.signal, AbortSignal.timeout(REOPEN_TIMEOUT_MS)]));
      } catch {
        // Guests that wait for their metadata ask again; a build whose guest does not come up reports it.
        await end();
        const pause = backoff.next(performance.now() - began);
        await sleep(pause, undefined, { signal: stop.signal, ref: false }).catch(() => {});
      }
    }
    await end();
  };

  try {
    await begin(signal);
  } catch (error) {
    await end();
    throw error;
  }
  const keeper = keepUp();
  return {
    close: async () => {
      stop.abort();
      await keeper;
    },
  };
}

async function listen(source: HostSource, { serve }: RouteOptions, signal: AbortSignal): Promise<ForwardedPort> {
  const host = await source(signal);
  const opening = host.forwardIn(LOOPBACK, 0, (socket, from) => serve(socket, from.address));
  try {
    return { host, ...(await abortable(opening, signal)) };
  } catch (error) {
    // If it is opened after all, nobody else closes it.
    opening.then((late) => late.close()).catch(() => {});
    throw error;
  }
}

/** Waits until one of the signals aborts. */
async function whenAborted(...signals: AbortSignal[]): Promise<void> {
  const any = AbortSignal.any(signals);
  if (!any.aborted) await new Promise((resolve) => any.addEventListener('abort', resolve, { once: true }));
}
