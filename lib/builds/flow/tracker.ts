import type { Destination, Message, NodeInstance } from '../types.ts';

/** The messages of one build at one node. */
interface Token {
  type: string;
  instance: NodeInstance;
  /** One entry per message, oldest first: its copy, if one was kept. */
  messages: (Message | undefined)[];
  /** The last of our nodes that the message came from. */
  origin: string;
  /** The node that sent it there. */
  sender: string;
}

/**
 * Core nodes that pass a message on or drop it immediately. Any other node may hold it on purpose (delay, join, http
 * request, …). A function node may also send later, but that cannot be told from one that returned null.
 */
const PASS_THROUGH_TYPES = new Set([
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

/** Returns whether nodes of that type may hold a message on purpose. */
export const mayHold = (type: string): boolean => !PASS_THROUGH_TYPES.has(type);

/** Tracks which nodes the messages of one build are at, from what nodes send. */
export class MessageTracker {
  readonly #tokens = new Map<string, Token>();
  /** When a message last moved, in milliseconds since the epoch. */
  movedAt = Date.now();
  /** The last of our nodes that the most recently moved message came from. */
  origin = '';
  /** The node where a message was last seen, and its type. */
  last: { node: string; type: string } = { node: '', type: '' };
  #sender = '';

  /**
   * Records that a node sent a message. Recheck's nodes call `noteConsumed` themselves; for any other node, sending one
   * consumes the one it received.
   *
   * @param ours whether the sender is one of Recheck's nodes
   * @param forwardsTo whether a node forwards messages to the sender without sending them, as link nodes do
   */
  noteSent(from: string, ours: boolean, to: Destination[], forwardsTo: (node: string) => boolean = () => false): void {
    const forwarder = [...this.#tokens.keys()].find(forwardsTo);
    const origin = ours ? from : ((this.#tokens.get(from) ?? this.#tokens.get(forwarder ?? ''))?.origin ?? this.origin);
    if (!ours) this.noteConsumed(from);
    if (forwarder !== undefined) this.noteConsumed(forwarder);
    this.movedAt = Date.now();
    this.#sender = from;
    this.origin = origin;
    this.last = to.find(({ type }) => type !== 'debug') ?? { node: from, type: '' };
    for (const { node, type, instance, message } of to) {
      const messages = [...(this.#tokens.get(node)?.messages ?? []), message];
      this.#tokens.set(node, { messages, type, instance, origin, sender: from });
    }
  }

  /** Records that a node consumed a message, or that the message ended there. */
  noteConsumed(node: string): void {
    this.movedAt = Date.now();
    const token = this.#tokens.get(node);
    if (!token) return;
    this.last = { node, type: token.type };
    token.messages.shift();
    if (token.messages.length === 0) this.#tokens.delete(node);
  }

  /** Returns the node that sent the message which is at this one; if unknown, the node that sent last. */
  senderTo(node: string): string {
    return this.#tokens.get(node)?.sender ?? this.#sender;
  }

  /** Returns whether a message is at a node that may hold it on purpose and that `leadsOn` accepts. */
  hasHeld(leadsOn: (node: string) => boolean): boolean {
    return this.#some(leadsOn, (token) => mayHold(token.type));
  }

  /** Returns whether a message is at any node that `leadsOn` accepts. */
  hasAny(leadsOn: (node: string) => boolean): boolean {
    return this.#some(leadsOn, () => true);
  }

  /**
   * Moves the messages of nodes that a deploy closed to their new instances. Messages without a copy, and those whose node
   * was deleted, are dropped.
   *
   * @returns the messages to send to those nodes again
   */
  revive(instanceOf: (node: string) => NodeInstance | undefined): { node: string; message: Message }[] {
    const revived: { node: string; message: Message }[] = [];
    for (const [node, token] of this.#tokens) {
      if (token.instance.alive()) continue;
      const instance = instanceOf(node);
      const messages = token.messages.filter((message) => message !== undefined);
      if (!instance || messages.length === 0) {
        this.#tokens.delete(node);
        continue;
      }
      Object.assign(token, { instance, messages });
      this.movedAt = Date.now();
      revived.push(...messages.map((message) => ({ node, message })));
    }
    return revived;
  }

  /** Forgets all messages. */
  clear(): void {
    this.#tokens.clear();
  }

  #some(leadsOn: (node: string) => boolean, accepts: (token: Token) => boolean): boolean {
    for (const [node, token] of this.#tokens) if (accepts(token) && leadsOn(node)) return true;
    return false;
  }
}
