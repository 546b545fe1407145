import type { Host, HostSource } from '../ssh/types.ts';
import { openListener } from './metadata-listener.ts';
import { addRules, type Destination, removeRules } from './metadata-rules.ts';
import { openTunnel } from './metadata-tunnel.ts';
import type { ListenAt, MetadataLink, ServeMetadata } from './types.ts';

/** Milliseconds that taking the rules back may take. */
const TIME = 30_000;

/** What opens a way is given. */
export interface WayOptions {
  /** Id of the worker's configuration node. */
  id: string;
  serve: ServeMetadata;
  /** To be called where requests arrive at a place from now on: leads the guests there. */
  opened(host: Host, destination: Destination, signal: AbortSignal): Promise<void>;
  /** To be called where nobody listens at a port any more. */
  closed(port: number): void;
}

/** A way that is open. */
export interface OpenWay {
  /** Where requests arrive now; undefined where guests are led there by others, or while the connection is down. */
  place(): { host: Host; destination: Destination } | undefined;
  close(): Promise<void>;
}

/** Ports of the ways open in this process, by worker id: a redeploy opens a new way before the old one's builds end. */
const openPorts = new Map<string, Set<number>>();

function portsOf(id: string): Set<number> {
  const ports = openPorts.get(id) ?? new Set();
  openPorts.set(id, ports);
  return ports;
}

/**
 * Leads a worker's guests to the metadata server: for each bridge that a guest hangs on, while a way is open. With the
 * last way everything on the worker is as it was.
 */
export class MetadataWay {
  readonly #id: string;
  readonly #source: HostSource;
  readonly #bridges = new Set<string>();
  readonly #ways = new Set<OpenWay>();
  readonly #ports: Set<number>;

  /** @param id of the worker's configuration node */
  constructor(id: string, source: HostSource) {
    this.#id = id;
    this.#source = source;
    this.#ports = portsOf(id);
  }

  /** A guest is about to hang on this bridge. */
  async use(bridge: string, signal: AbortSignal): Promise<void> {
    if (this.#bridges.has(bridge)) return;
    // First, so that a way that opens meanwhile knows it.
    this.#bridges.add(bridge);
    try {
      for (const way of this.#ways) {
        const place = way.place();
        if (place) await addRules(place.host, this.#id, bridge, place.destination, signal);
      }
    } catch (error) {
      this.#bridges.delete(bridge);
      throw error;
    }
  }

  /** @param listenAt an address and port of this machine, where the worker is this machine; else inside the SSH connection */
  async open(serve: ServeMetadata, signal: AbortSignal, listenAt?: ListenAt): Promise<MetadataLink> {
    const options: WayOptions = {
      id: this.#id,
      serve,
      opened: async (host, destination, within) => {
        this.#ports.add(destination.port);
        // What a controller that died or a connection that was lost left leads to where nobody listens.
        await removeRules(host, this.#id, [...this.#ports], within);
        for (const bridge of this.#bridges) await addRules(host, this.#id, bridge, destination, within);
      },
      closed: (port) => void this.#ports.delete(port),
    };
    const way = listenAt
      ? await openListener(this.#source, listenAt, options, signal)
      : await openTunnel(this.#source, options, signal);
    this.#ways.add(way);
    return {
      close: async () => {
        if (!this.#ways.delete(way)) return;
        if (this.#ways.size === 0) this.#bridges.clear();
        await way.close();
        const within = AbortSignal.timeout(TIME);
        await removeRules(await this.#source(within), this.#id, [...this.#ports], within);
      },
    };
  }
}
