import type { NodeAPI } from 'node-red';
import type { BuildSet } from '../../lib/build/buildset.ts';
import { FlowGraph, type FlowNode } from '../../lib/build/flow-graph.ts';
import type { BuildEvent, Message, Outlet, Place } from '../../lib/build/types.ts';
import type { LogSettings } from '../../lib/logs/types.ts';
import { nodeKey, type Registry } from './keys.ts';

/** What a deployed node of ours offers the supervisor. */
export interface Offer {
  /** Of publish-logs. */
  logs?: LogSettings;
  /** Of gerrit-review: reports a buildset whose builds are all in. */
  report?: (set: BuildSet) => void;
}

interface RuntimeNode {
  id: string;
  type: string;
  /** The flow it runs in; Node-RED's own. */
  _flow?: { getNode?(id: string, here?: boolean): RuntimeNode | null };
}

interface SendEvent {
  msg: Message;
  source: { node: RuntimeNode };
  destination: { id: string };
}

/** Whether the node at a message's destination is still the deployed one. Foreign nodes say nothing when they close. */
const placeOf = (node: RuntimeNode): Place => ({
  alive: () => node._flow?.getNode === undefined || node._flow.getNode(node.id, true) === node,
});

/** The deployed flow, as the supervisor reaches it. */
export class FlowOutlet implements Outlet {
  readonly #red: NodeAPI;
  readonly #registry: Registry<Offer>;
  readonly #observe: (event: BuildEvent) => void;
  #graph: FlowGraph | undefined;

  constructor(red: NodeAPI, registry: Registry<Offer>, observe: (event: BuildEvent) => void) {
    this.#red = red;
    this.#registry = registry;
    this.#observe = observe;
  }

  deliver(key: string, port: number, message: Message): boolean {
    const entry = this.#registry.get(key);
    if (!entry) return false;
    entry.node.send([...new Array<null>(port).fill(null), message as never]);
    return true;
  }

  hand(key: string, message: Message): boolean {
    const entry = this.#registry.get(key);
    entry?.node.receive(message as never);
    return entry !== undefined;
  }

  graph(): FlowGraph {
    if (!this.#graph) {
      const nodes: FlowNode[] = [];
      this.#red.nodes.eachNode((node) => nodes.push(node as unknown as FlowNode));
      this.#graph = new FlowGraph(nodes);
    }
    return this.#graph;
  }

  logSettings(key: string): LogSettings | undefined {
    return this.#registry.get(key)?.logs;
  }

  copy(message: Message): Message {
    return this.#red.util.cloneMessage(message as never) as unknown as Message;
  }

  observe(event: BuildEvent): void {
    this.#observe(event);
  }

  /**
   * Tells the supervisor of every message of a build that moves, and of every deploy.
   *
   * @returns undoes it
   */
  follow(
    moved: (build: string, from: string, ours: boolean, to: { node: string; type: string; place: Place }[]) => void,
    deployed: () => void,
  ): () => void {
    const onSend = (events: SendEvent[]) => {
      const id = events[0]?.msg.build?.id;
      const source = events[0]?.source.node;
      if (id === undefined || !source) return;
      const from = nodeKey(source);
      const to = events.flatMap(({ destination }) => {
        const node = source._flow?.getNode?.(destination.id);
        return node ? [{ node: nodeKey(node), type: node.type, place: placeOf(node) }] : [];
      });
      moved(id, from, this.#registry.get(from) !== undefined, to);
    };
    const onFlows = () => {
      this.#graph = undefined;
      deployed();
    };
    const { hooks, events } = this.#red as unknown as {
      hooks: { add(name: string, hook: (events: never) => void): void; remove(name: string): void };
      events: NodeJS.EventEmitter;
    };
    hooks.add('onSend.recheck', onSend as never);
    events.on('flows:started', onFlows);
    return () => {
      hooks.remove('onSend.recheck');
      events.off('flows:started', onFlows);
    };
  }
}
