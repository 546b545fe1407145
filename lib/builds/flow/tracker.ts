import type { Destination, Message, NodeInstance } from '../types.ts';

/** The messages of one build that are at one node. */
interface Token {
  type: string;
  place: NodeInstance;
  /** One a message, oldest first. */
  messages: (Message | undefined)[];
  /** Our own node that the message there was last sent by. */
  origin: string;
  /** The node that sent it there. */
  sender: string;
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

/** Whether nodes of that type may hold a message on purpose. */
export const holds = (type: string): boolean => !INSTANT.has(type);

/** Where the messages of one build are, as far as the wires tell. */
export class MessageTracker {
  readonly #tokens = new Map<string, Token>();
  /** When a message last moved: milliseconds since the epoch. */
  movedAt = Date.now();
  /** Our own node that the message last moved was sent by. */
  origin = '';
  /** The node at which a message was last seen, and its type. */
  last: { node: string; type: string } = { node: '', type: '' };
  #sender = '';

  /**
   * A message was sent from a node to others. Our own nodes took theirs up before; another's copy is used up by this.
   * Link nodes hand messages to each other without sending: `handsTo` tells whether a node does so to the sender.
   */
  sent(from: string, ours: boolean, to: Destination[], handsTo: (node: string) => boolean = () => false): void {
    const giver = [...this.#tokens.keys()].find(handsTo);
    const origin = ours ? from : ((this.#tokens.get(from) ?? this.#tokens.get(giver ?? ''))?.origin ?? this.origin);
    if (!ours) this.left(from);
    if (giver !== undefined) this.left(giver);
    this.movedAt = Date.now();
    this.#sender = from;
    this.origin = origin;
    this.last = to.find(({ type }) => type !== 'debug') ?? { node: from, type: '' };
    for (const { node, type, place, message } of to) {
      const messages = [...(this.#tokens.get(node)?.messages ?? []), message];
      this.#tokens.set(node, { messages, type, place, origin, sender: from });
    }
  }

  /** A message at a node was taken up by it, or came to its end there. */
  left(node: string): void {
    this.movedAt = Date.now();
    const token = this.#tokens.get(node);
    if (!token) return;
    this.last = { node, type: token.type };
    token.messages.shift();
    if (token.messages.length === 0) this.#tokens.delete(node);
  }

  /** The node that sent the message that is at this one; where none is known, the one that sent last. */
  senderTo(node: string): string {
    return this.#tokens.get(node)?.sender ?? this.#sender;
  }

  /** Whether a message waits in a node that may hold it on purpose, among those that `counts` accepts. */
  held(counts: (node: string) => boolean): boolean {
    return this.#some(counts, (token) => holds(token.type));
  }

  /** Whether any message is on its way to where `counts` accepts. */
  any(counts: (node: string) => boolean): boolean {
    return this.#some(counts, () => true);
  }

  /**
   * Puts the messages whose node was closed by a deploy to the node that stands there now, and gives them; those of
   * which no copy was kept, or whose node is gone, are gone as well.
   */
  revive(placeOf: (node: string) => NodeInstance | undefined): { node: string; message: Message }[] {
    const revived: { node: string; message: Message }[] = [];
    for (const [node, token] of this.#tokens) {
      if (token.place.alive()) continue;
      const place = placeOf(node);
      const messages = token.messages.filter((message) => message !== undefined);
      if (!place || messages.length === 0) {
        this.#tokens.delete(node);
        continue;
      }
      Object.assign(token, { place, messages });
      this.movedAt = Date.now();
      revived.push(...messages.map((message) => ({ node, message })));
    }
    return revived;
  }

  clear(): void {
    this.#tokens.clear();
  }

  #some(counts: (node: string) => boolean, accepts: (token: Token) => boolean): boolean {
    for (const [node, token] of this.#tokens) if (accepts(token) && counts(node)) return true;
    return false;
  }
}
