import type { Place } from './types.ts';

interface Token {
  count: number;
  type: string;
  place: Place;
  /** Our own node that the message there was last sent by. */
  origin: string;
}

/**
 * Core nodes that pass a message on at once or drop it. A message that rests in one of them for longer than a moment
 * was dropped. Any other node may hold it on purpose (delay, join, http request, …). A function node may send later,
 * but nothing tells that from one that returned null; so it counts as one that drops.
 */
const INSTANT = new Set([
  'switch',
  'change',
  'range',
  'template',
  'rbe',
  'function',
  'link in',
  'link out',
  'json',
  'xml',
  'yaml',
  'csv',
  'html',
  'split',
  'sort',
]);

/** Where the messages of one build are, as far as the wires tell. */
export class Positions {
  readonly #tokens = new Map<string, Token>();
  /** When a message last moved: milliseconds since the epoch. */
  movedAt = Date.now();
  /** The node that last sent a message. */
  sender = '';
  /** Our own node that the message last moved was sent by. */
  origin = '';
  /** The node at which a message was last seen, and its type. */
  last: { node: string; type: string } = { node: '', type: '' };

  /** A message was sent from a node to others. Our own nodes took theirs up before; another's copy is used up by this. */
  sent(from: string, ours: boolean, to: { node: string; type: string; place: Place }[]): void {
    this.movedAt = Date.now();
    this.sender = from;
    const origin = ours ? from : (this.#tokens.get(from)?.origin ?? from);
    this.origin = origin;
    if (!ours) this.left(from);
    this.last = to.find(({ type }) => type !== 'debug') ?? { node: from, type: '' };
    for (const { node, type, place } of to) {
      const token = this.#tokens.get(node);
      this.#tokens.set(node, { count: (token?.count ?? 0) + 1, type, place, origin });
    }
  }

  /** A message at a node was taken up by it, or came to its end there. */
  left(node: string): void {
    this.movedAt = Date.now();
    const token = this.#tokens.get(node);
    if (!token) return;
    this.last = { node, type: token.type };
    token.count -= 1;
    if (token.count <= 0) this.#tokens.delete(node);
  }

  /** Whether a message waits in a node that may hold it on purpose, among those that `counts` accepts. */
  held(counts: (node: string) => boolean): boolean {
    return this.#some(counts, (token) => !INSTANT.has(token.type));
  }

  /** Whether any message is on its way to where `counts` accepts. */
  any(counts: (node: string) => boolean): boolean {
    return this.#some(counts, () => true);
  }

  /** Takes out the messages whose node was closed by a deploy, and gives our nodes that they were sent by. */
  takeDead(): string[] {
    const origins = new Set<string>();
    for (const [node, token] of this.#tokens) {
      if (token.place.alive()) continue;
      this.#tokens.delete(node);
      origins.add(token.origin);
    }
    return [...origins];
  }

  clear(): void {
    this.#tokens.clear();
  }

  #some(counts: (node: string) => boolean, accepts: (token: Token) => boolean): boolean {
    for (const [node, token] of this.#tokens) if (accepts(token) && counts(node)) return true;
    return false;
  }
}
