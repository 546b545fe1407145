import type { HostSource } from '../ssh/types.ts';
import { KeyedLock } from '../util/keyed-lock.ts';
import type { MetadataRoute } from '../worker/metadata-route.ts';
import { Listeners } from './route/listener.ts';
import { HostRoute, type SharedRoutes } from './route/route.ts';

/**
 * The metadata routes of all workers of one process. A redeploy opens a new route to a worker before the builds of the
 * old one end; the two share what they know of the worker's rules.
 */
export class MetadataRoutes {
  readonly #shared: SharedRoutes = { turns: new KeyedLock(), destinations: new Map(), listeners: new Listeners() };

  /** Returns a route to a worker. @param id of the controller and the worker-host node: other Rechecks have others */
  of(id: string, source: HostSource): MetadataRoute {
    return new HostRoute(id, source, this.#shared);
  }

  /** Closes the ports of this machine that builds have left open, without changing any worker. */
  async close(): Promise<void> {
    await this.#shared.listeners.close();
    this.#shared.destinations.clear();
  }
}
