import type { Host, HostSource } from '../../ssh/types.ts';
import type { KeyedLock } from '../../util/keyed-lock.ts';
import type { MetadataRoute } from '../../worker/metadata-route.ts';
import type { ListenAt, MetadataLink, ServeMetadata } from '../../worker/types.ts';
import { addRules, type RouteDestination, removeRules } from './iptables.ts';
import { type Listeners, openListener } from './listener.ts';
import type { RouteOptions } from './open-route.ts';
import { openTunnel } from './tunnel.ts';

const RULES_REMOVAL_TIMEOUT_MS = 30_000;

/** What all routes of a process share. */
export interface SharedRoutes {
  /**
   * Serializes, per worker, the programs that change rules, each with what is open at its turn: an older one would undo
   * a newer.
   */
  readonly turns: KeyedLock;
  /** Where open routes lead, by worker id, then by address and port. */
  readonly destinations: Map<string, Map<string, RouteDestination>>;
  readonly listeners: Listeners;
}

const keyOf = ({ address, port }: RouteDestination): string => `${address} ${port}`;

/**
 * Routes the metadata requests of a worker's guests, for each bridge that has guests, while a link is open. Once the
 * last link is closed, the worker is as it was before.
 */
export class HostRoute implements MetadataRoute {
  readonly #id: string;
  readonly #source: HostSource;
  readonly #shared: SharedRoutes;
  readonly #bridges = new Set<string>();
  /**
   * Where requests arrive now, by address and port; empty if rules are made by others, or while the connection is down.
   */
  readonly #arrivals = new Map<string, { host: Host; destination: RouteDestination }>();
  readonly #open: Map<string, RouteDestination>;
  /** Counts requests for rules; by bridge, the count when its rules were last begun. */
  #asked = 0;
  readonly #made = new Map<string, number>();

  /** @param id of the controller and the worker-host node: the rules of other Rechecks are left alone */
  constructor(id: string, source: HostSource, shared: SharedRoutes) {
    this.#id = id;
    this.#source = source;
    this.#shared = shared;
    this.#open = shared.destinations.get(id) ?? new Map();
    shared.destinations.set(id, this.#open);
  }

  use(bridge: string, signal: AbortSignal): Promise<void> {
    this.#asked += 1;
    const asked = this.#asked;
    return this.#shared.turns.run(this.#id, signal, async () => {
      // Guests of a build start together: rules begun after both had asked are good for both.
      if ((this.#made.get(bridge) ?? 0) >= asked) return;
      const begun = this.#asked;
      for (const { host, destination } of this.#arrivals.values()) {
        await addRules(host, this.#id, bridge, destination, [...this.#open.values()], signal);
      }
      this.#bridges.add(bridge);
      this.#made.set(bridge, begun);
    });
  }

  async open(serve: ServeMetadata, signal: AbortSignal, listenAt?: ListenAt): Promise<MetadataLink> {
    let arrival: string | undefined;
    const options: RouteOptions = {
      id: this.#id,
      serve,
      opened: async (host, destination, within) => {
        const key = keyOf(destination);
        this.#open.set(key, destination);
        arrival = key;
        await this.#shared.turns.run(this.#id, within, async () => {
          this.#arrivals.set(key, { host, destination });
          for (const bridge of this.#bridges) {
            await addRules(host, this.#id, bridge, destination, [...this.#open.values()], within);
          }
        });
      },
      closed: (destination) => {
        this.#open.delete(keyOf(destination));
        this.#arrivals.delete(keyOf(destination));
      },
    };
    const route = listenAt
      ? await openListener(this.#shared.listeners, this.#source, listenAt, options, signal)
      : await openTunnel(this.#source, options, signal);
    let isClosed = false;
    return {
      close: async () => {
        if (isClosed) return;
        await route.close();
        // It may stay open for another worker of this node.
        if (arrival !== undefined) this.#arrivals.delete(arrival);
        // Called again if the worker could not be reached.
        await this.#sweep(AbortSignal.timeout(RULES_REMOVAL_TIMEOUT_MS), true);
        isClosed = true;
      },
    };
  }

  sweep(signal: AbortSignal): Promise<void> {
    return this.#sweep(signal, false);
  }

  /** @param isClosing whether a link was closed: the bridges are forgotten with the last one */
  async #sweep(signal: AbortSignal, isClosing: boolean): Promise<void> {
    const host = await this.#source(signal);
    await this.#shared.turns.run(this.#id, signal, async () => {
      if (isClosing && this.#arrivals.size === 0) {
        this.#bridges.clear();
        this.#made.clear();
      }
      await removeRules(host, this.#id, [...this.#open.values()], signal);
    });
  }
}
