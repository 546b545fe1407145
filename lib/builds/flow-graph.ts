/** One node of a flow as the editor saves it, with the properties that following its wires needs. */
export interface FlowNode {
  id: string;
  type: string;
  z?: string;
  name?: string;
  /** True if the node is disabled. */
  d?: boolean;
  disabled?: boolean;
  wires?: string[][];
  /** Ids of the nodes that a link node is linked to. */
  links?: string[];
  mode?: string;
  /** Of a subflow's definition. */
  in?: { wires?: { id: string }[] }[];
  out?: { wires?: { id: string; port: number }[] }[];
}

/** A node that a message can reach. Its key includes its subflow instances: `instance/node`. */
export interface ReachableNode {
  key: string;
  type: string;
}

const SUBFLOW = 'subflow:';

const join = (inside: string, id: string): string => (inside ? `${inside}/${id}` : id);

/** Splits a key into its subflow instances and the node's own id. */
function split(key: string): { inside: string; id: string } {
  const slash = key.lastIndexOf('/');
  return slash < 0 ? { inside: '', id: key } : { inside: key.slice(0, slash), id: key.slice(slash + 1) };
}

/** The wires of the deployed flow: follows them through link nodes, link calls and subflows. */
export class FlowGraph {
  readonly #nodes = new Map<string, FlowNode>();

  constructor(nodes: Iterable<FlowNode>) {
    for (const node of nodes) this.#nodes.set(node.id, node);
  }

  /** Returns whether the node is in the flow and enabled. */
  has(key: string): boolean {
    return this.#node(key) !== undefined;
  }

  /** Returns the node's name, else its type, else the key. */
  nameOf(key: string): string {
    const node = this.#nodes.get(split(key).id);
    return node?.name || node?.type || key;
  }

  typeOf(key: string): string | undefined {
    return this.#nodes.get(split(key).id)?.type;
  }

  /**
   * Returns whether a node passes messages to another without sending them (no onSend hook): a link out to its link in,
   * or a returning link out to a link call.
   */
  forwardsTo(from: string, to: string): boolean {
    const { inside, id } = split(from);
    const node = this.#nodes.get(id);
    if (node?.type !== 'link out') return false;
    if (node.mode === 'return') return this.typeOf(to) === 'link call';
    return (node.links ?? []).some((link) => this.#linkKey(inside, link) === to);
  }

  /** Returns the nodes that a message from a node can reach, nearest first; from all of its outputs without `port`. */
  reachableFrom(from: string, port?: number): ReachableNode[] {
    const seen = new Set<string>();
    const found: ReachableNode[] = [];
    let edge = this.#next(from, port);
    while (edge.length > 0) {
      const further: string[] = [];
      for (const key of edge) {
        if (seen.has(key)) continue;
        seen.add(key);
        const node = this.#node(key);
        if (!node) continue;
        if (!node.type.startsWith(SUBFLOW)) found.push({ key, type: node.type });
        further.push(...this.#enter(key, node));
      }
      edge = further;
    }
    return found;
  }

  #node(key: string): FlowNode | undefined {
    const { inside, id } = split(key);
    const node = this.#nodes.get(id);
    if (!node || node.d) return undefined;
    if (inside) return this.#node(inside) ? node : undefined;
    return node.z !== undefined && this.#nodes.get(node.z)?.disabled ? undefined : node;
  }

  /** Returns the keys of the nodes that follow a node which a message has reached. */
  #enter(key: string, node: FlowNode): string[] {
    if (!node.type.startsWith(SUBFLOW)) return this.#next(key);
    const definition = this.#nodes.get(node.type.slice(SUBFLOW.length));
    const inputs = definition?.in?.flatMap((input) => input.wires ?? []) ?? [];
    // A wire from the subflow's input straight to an output is listed in `out` with the definition's own id.
    const through = this.#outputsOf(definition, definition?.id ?? '', 0);
    return [...inputs.map((wire) => join(key, wire.id)), ...through.flatMap((output) => this.#next(key, output))];
  }

  /** Returns the keys of the nodes that receive what a node sends. */
  #next(key: string, port?: number): string[] {
    const { inside, id } = split(key);
    const node = this.#nodes.get(id);
    if (!node) return [];
    const wires = port === undefined ? (node.wires ?? []).flat() : (node.wires?.[port] ?? []);
    const targets = wires.map((wire) => join(inside, wire));
    if ((node.type === 'link out' && node.mode !== 'return') || node.type === 'link call') {
      // The two ends of a link may be in different subflows.
      targets.push(...(node.links ?? []).map((link) => this.#linkKey(inside, link)));
    }
    if (!inside) return targets;
    const definition = this.#nodes.get(node.z ?? '');
    const ports = port === undefined ? (node.wires ?? []).map((_, index) => index) : [port];
    for (const each of ports) {
      for (const output of this.#outputsOf(definition, id, each)) targets.push(...this.#next(inside, output));
    }
    return targets;
  }

  /** Returns the outputs of a subflow that the output of a node inside it is wired to. */
  #outputsOf(definition: FlowNode | undefined, id: string, port: number): number[] {
    const outputs: number[] = [];
    definition?.out?.forEach((output, index) => {
      if (output.wires?.some((wire) => wire.id === id && wire.port === port)) outputs.push(index);
    });
    return outputs;
  }

  #linkKey(inside: string, link: string): string {
    const sibling = this.#nodes.get(link)?.z === this.#nodes.get(split(inside).id)?.type.slice(SUBFLOW.length);
    return inside && sibling ? join(inside, link) : link;
  }
}
