import type { NodeAPI } from 'node-red';
import { FlowGraph, type FlowNode } from '../../lib/builds/flow-graph.ts';
import type { ReviewSettings } from '../../lib/builds/review-settings.ts';
import type { CloneRequirement } from '../../lib/builds/steps.ts';
import type { BuildEvent, Destination, Flow, Message, NodeInstance } from '../../lib/builds/types.ts';
import { CiError } from '../../lib/errors/ci-error.ts';
import type { LogSettings } from '../../lib/logs/types.ts';
import { nodeKey, type Registry } from './keys.ts';

/** Settings of a deployed node that the supervisor reads. */
export interface Offer {
  /** Only for publish-logs: where and how to store logs. */
  logs?: LogSettings;
  /** Only for clone-image: returns what it requires of a host. @throws CiError if its image or hosts are not valid */
  clone?: () => CloneRequirement;
  /** Only for gerrit-review: how it reports. */
  review?: ReviewSettings;
}

interface RuntimeNode {
  id: string;
  type: string;
  receive(message: object): void;
  /** The Flow object that it runs in; that of a subflow instance maps saved ids to the generated ones (`node_map`). */
  _flow?: { getNode?(id: string, here?: boolean): RuntimeNode | null; node_map?: Record<string, { id: string }> };
}

interface SendEvent {
  msg: Message;
  source: { node: RuntimeNode };
  destination: { id: string };
}

/** Makes a handle that tells whether a node is still deployed: nodes of other packages do not report their end. */
const instanceOf = (node: RuntimeNode): NodeInstance => ({
  alive: () => node._flow?.getNode === undefined || node._flow.getNode(node.id, true) === node,
});

/** Gives the supervisor access to the deployed flow. */
export class FlowAdapter implements Flow {
  readonly #red: NodeAPI;
  readonly #registry: Registry<Offer>;
  readonly #observe: (event: BuildEvent) => void;
  #graph: FlowGraph | undefined;

  constructor(red: NodeAPI, registry: Registry<Offer>, observe: (event: BuildEvent) => void) {
    this.#red = red;
    this.#registry = registry;
    this.#observe = observe;
  }

  sendFrom(key: string, port: number, message: Message): boolean {
    const entry = this.#registry.get(key);
    if (!entry) return false;
    entry.node.send([...new Array<null>(port).fill(null), message as never]);
    return true;
  }

  inject(key: string, message: Message): boolean {
    const node = this.#node(key);
    node?.receive(message);
    return node !== undefined;
  }

  instance(key: string): NodeInstance | undefined {
    const node = this.#node(key);
    return node && instanceOf(node);
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

  reviewSettings(key: string): ReviewSettings | undefined {
    return this.#registry.get(key)?.review;
  }

  /** Returns the requirements of the clone-image nodes that a message from the node can reach, except unusable ones. */
  clonesAfter(key: string): CloneRequirement[] {
    return this.graph()
      .reachableFrom(key)
      .flatMap((reached) => {
        try {
          return this.#registry.get(reached.key)?.clone?.() ?? [];
        } catch (error) {
          if (error instanceof CiError) return [];
          throw error;
        }
      });
  }

  copy(message: Message): Message {
    return this.#red.util.cloneMessage(message as never) as unknown as Message;
  }

  emit(event: BuildEvent): void {
    this.#observe(event);
  }

  /** Returns the deployed node with this key, of any package. Follows subflow instances. */
  #node(key: string): RuntimeNode | undefined {
    const [first, ...inner] = key.split('/');
    let node = (this.#red.nodes.getNode(first!) ?? undefined) as RuntimeNode | undefined;
    for (const id of inner) {
      const flow = node?._flow;
      node = flow?.getNode?.(flow.node_map?.[id]?.id ?? '', true) ?? undefined;
    }
    return node;
  }

  /**
   * Reports every message of a build that is sent, and the start and end of every deploy.
   *
   * @param moved gets the message, the key of its sender, whether that is a node of Recheck, and the receivers
   * @returns stops the reports
   */
  follow(
    moved: (message: Message, from: string, ours: boolean, to: Destination[]) => void,
    deploying: () => void,
    deployed: () => void,
  ): () => void {
    const onSend = (events: SendEvent[]) => {
      const source = events[0]?.source.node;
      if (!source) return;
      const from = nodeKey(source);
      // One send may contain messages of several builds, and messages of no build.
      for (const [id, sends] of Map.groupBy(events, ({ msg }) => msg.build?.id)) {
        if (id === undefined) continue;
        const to = sends.flatMap(({ destination }) => {
          const node = source._flow?.getNode?.(destination.id);
          return node ? [{ node: nodeKey(node), type: node.type, instance: instanceOf(node) }] : [];
        });
        moved(sends[0]!.msg, from, this.#registry.get(from) !== undefined, to);
      }
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
    events.on('flows:stopping', deploying);
    events.on('flows:started', onFlows);
    return () => {
      hooks.remove('onSend.recheck');
      events.off('flows:stopping', deploying);
      events.off('flows:started', onFlows);
    };
  }
}
