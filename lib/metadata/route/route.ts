import type { Host, HostSource } from '../../ssh/types.ts';
import { KeyedLock } from '../../util/keyed-lock.ts';
import type { ListenAt, MetadataLink, ServeMetadata } from '../../worker/types.ts';
import { addRules, type Destination, removeRules } from './iptables.ts';
import { openListener } from './listener.ts';
import type { RouteOptions } from './open-route.ts';
import { openTunnel } from './tunnel.ts';

/** Milliseconds that taking the rules back may take. */
const TIME = 30_000;

/** One program at a time changes a worker's rules, and with what is open at its turn: an older one would undo a newer. */
const turns = new KeyedLock();

/**
 * Where the ways lead that are open in this process, by worker id and place: a redeploy opens a new way before the old
 * one's builds end.
 */
const openPlaces = new Map<string, Map<string, Destination>>();

function placesOf(id: string): Map<string, Destination> {
  const places = openPlaces.get(id) ?? new Map();
  openPlaces.set(id, places);
  return places;
}

const keyOf = ({ address, port }: Destination): string => `${address} ${port}`;

/**
 * Leads a worker's guests to the metadata server: for each bridge that a guest hangs on, while a way is open. With the
 * last way everything on the worker is as it was.
 */
export class MetadataRoute {
  readonly #id: string;
  readonly #source: HostSource;
  readonly #bridges = new Set<string>();
  /** Where requests arrive now, by place; not where guests are led by others, or while the connection is down. */
  readonly #places = new Map<string, { host: Host; destination: Destination }>();
  readonly #stay: Map<string, Destination>;
  /** How many guests asked for rules, and by bridge how many of them had asked when its rules were last begun. */
  #asked = 0;
  readonly #made = new Map<string, number>();

  /** @param id of the controller and of the worker's configuration node: another Recheck's rules are not its own */
  constructor(id: string, source: HostSource) {
    this.#id = id;
    this.#source = source;
    this.#stay = placesOf(id);
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
        await addRules(host, this.#id, bridge, destination, [...this.#stay.values()], signal);
      }
      this.#bridges.add(bridge);
      this.#made.set(bridge, begun);
    });
  }

  /** @param listenAt an address and port of this machine, where the worker is this machine; else inside the SSH connection */
  async open(serve: ServeMetadata, signal: AbortSignal, listenAt?: ListenAt): Promise<MetadataLink> {
    let place: string | undefined;
    const options: RouteOptions = {
      id: this.#id,
      serve,
      opened: async (host, destination, within) => {
        const key = keyOf(destination);
        this.#stay.set(key, destination);
        place = key;
        await turns.run(this.#id, within, async () => {
          this.#places.set(key, { host, destination });
          for (const bridge of this.#bridges) {
            await addRules(host, this.#id, bridge, destination, [...this.#stay.values()], within);
          }
        });
      },
      closed: (gone) => {
        this.#stay.delete(keyOf(gone));
        this.#places.delete(keyOf(gone));
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
        // It may stay open for another worker of this node.
        if (place !== undefined) this.#places.delete(place);
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
      await removeRules(host, this.#id, [...this.#stay.values()], signal);
    });
  }
}
