import type { Node } from 'node-red';

/**
 * A node's key: its id, behind the ids of the subflow instances it stands in (`instance/node`). Inside a subflow
 * Node-RED makes new ids at each deploy; this key stays.
 */
export function nodeKey(node: object): string {
  const { id, _path } = node as { id: string; _path?: string };
  return _path === undefined ? id : _path.split('/').slice(1).join('/') || id;
}

/** Our nodes as they are deployed now, by key. */
export class Registry<Extra extends object> {
  readonly #nodes = new Map<string, { node: Node } & Extra>();

  /** Adds a node until it is closed. */
  add(node: Node, extra: Extra): void {
    const key = nodeKey(node);
    const entry = { node, ...extra };
    this.#nodes.set(key, entry);
    node.on('close', () => {
      // A deploy may have put the new node in its place already.
      if (this.#nodes.get(key) === entry) this.#nodes.delete(key);
    });
  }

  get(key: string): ({ node: Node } & Extra) | undefined {
    return this.#nodes.get(key);
  }
}
