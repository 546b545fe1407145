import type { Node } from 'node-red';

/**
 * Returns a node's key: its id, preceded by the ids of the subflow instances that contain it (`instance/node`). Inside
 * a subflow, Node-RED generates new ids at each deploy; the key stays the same.
 */
export function nodeKey(node: object): string {
  const { id, _path } = node as { id: string; _path?: string };
  return _path === undefined ? id : _path.split('/').slice(1).join('/') || id;
}

/** The deployed nodes of Recheck by key, each with additional data. */
export class Registry<Extra extends object> {
  readonly #nodes = new Map<string, { node: Node } & Extra>();

  /** Adds a node, which is removed when it is closed. */
  add(node: Node, extra: Extra): void {
    const key = nodeKey(node);
    const entry = { node, ...extra };
    this.#nodes.set(key, entry);
    node.on('close', () => {
      // A deploy may already have added its successor.
      if (this.#nodes.get(key) === entry) this.#nodes.delete(key);
    });
  }

  /** Forgets all nodes. */
  clear(): void {
    this.#nodes.clear();
  }

  /** Returns a node and its data. */
  get(key: string): ({ node: Node } & Extra) | undefined {
    return this.#nodes.get(key);
  }
}
