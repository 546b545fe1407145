import type { Host, HostSource } from '../ssh/types.ts';
import { KeyedLock } from '../storage/keyed-lock.ts';
import { openListener } from './metadata-listener.ts';
import { addRules, type Destination, removeRules } from './metadata-rules.ts';
import { openTunnel } from './metadata-tunnel.ts';
import type { ListenAt, MetadataLink, ServeMetadata } from './types.ts';

/** Milliseconds that taking the rules back may take. */
const TIME = 30_000;

/** What opens a way is given. */
export interface WayOptions {
  /** Id of the controller and of the worker's configuration node. */
  id: string;
  serve: ServeMetadata;
  /** To be called where requests arrive at a place from now on: leads the guests there. */
  opened(host: Host, destination: Destination, signal: AbortSignal): Promise<void>;
  /** To be called where nobody listens at a port any more. */
  closed(port: number): void;
}

/** A way that is open. */
export interface OpenWay {
  close(): Promise<void>;
}

/** One program at a time changes a worker's rules, and with what is open at its turn: an older one would undo a newer. */
const turns = new KeyedLock();

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
  /** Where requests arrive now, by port; not where guests are led by others, or while the connection is down. */
  readonly #places = new Map<number, { host: Host; destination: Destination }>();
  readonly #ports: Set<number>;
  /** How many guests asked for rules, and by bridge how many of them had asked when its rules were last begun. */
  #asked = 0;
  readonly #made = new Map<string, number>();

  /** @param id of the controller and of the worker's configuration node: another Recheck's rules are not its own */
  constructor(id: string, source: HostSource) {
    this.#id = id;
    this.#source = source;
    this.#ports = portsOf(id);
  }

  /** A guest is about to hang on this bridge: its rules are made, or made again where somebody flushed them. */
  use(bridge: string, signal: AbortSignal): Promise<void> {
    this.#asked += 1;
    const asked = this.#asked;
    return turns.run(this.#id, signal, async () => {
      // A build's guests start together: what was begun for one after another had asked is good for both.
      if ((this.#made.get(bridge) ?? 0) >= asked) return;
      const begun = this.#asked;
      for (const { host, destination } of this.#places.values()) {
        await addRules(host, this.#id, bridge, destination, [...this.#ports], signal);
      }
      this.#bridges.add(bridge);
      this.#made.set(bridge, begun);
    });
  }

  /** @param listenAt an address and port of this machine, where the worker is this machine; else inside the SSH connection */
  async open(serve: ServeMetadata, signal: AbortSignal, listenAt?: ListenAt): Promise<MetadataLink> {
    let port: number | undefined;
    const options: WayOptions = {
      id: this.#id,
      serve,
      opened: async (host, destination, within) => {
        this.#ports.add(destination.port);
        port = destination.port;
        await turns.run(this.#id, within, async () => {
          this.#places.set(destination.port, { host, destination });
          for (const bridge of this.#bridges) {
            await addRules(host, this.#id, bridge, destination, [...this.#ports], within);
          }
        });
      },
      closed: (gone) => {
        this.#ports.delete(gone);
        this.#places.delete(gone);
      },
    };
    const way = listenAt
      ? await openListener(this.#source, listenAt, options, signal)
      : await openTunnel(this.#source, options, signal);
    let done = false;
    return {
      close: async () => {
        if (done) return;
        await way.close();
        // Its port may stay open for another worker of this node.
        if (port !== undefined) this.#places.delete(port);
        // Called again where the worker could not be reached.
        await this.sweep(AbortSignal.timeout(TIME), true);
        done = true;
      },
    };
  }

  /**
   * Takes back the rules of all ways that are not open, a dead controller's too.
   *
   * @param closing whether a way was closed: with the last one its bridges are forgotten
   */
  async sweep(signal: AbortSignal, closing = false): Promise<void> {
    const host = await this.#source(signal);
    await turns.run(this.#id, signal, async () => {
      if (closing && this.#places.size === 0) {
        this.#bridges.clear();
        this.#made.clear();
      }
      await removeRules(host, this.#id, [...this.#ports], signal);
    });
  }
}
