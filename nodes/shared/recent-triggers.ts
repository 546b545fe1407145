import type { Message } from '../../lib/builds/types.ts';

/** Milliseconds that a message may take through a few nodes of the flow on a busy machine. */
const TRANSIT_TIME_MS = 2_000;
/** How many messages are kept at most, which limits memory in a flood of events; older ones are not sent again. */
const MAX_MESSAGE_COUNT = 1_000;

interface Sent {
  at: number;
  node: string;
  message: Message;
}

/**
 * What gerrit-events nodes have just sent. A deploy silently drops messages on their way to nodes that it closes, so
 * these are sent again when it has ended. If one did arrive, ci-jobs recognizes the key of its trigger and starts
 * nothing twice.
 */
export class RecentTriggers {
  readonly #sent: Sent[] = [];
  #deploying = false;

  /** Remembers a message that a node sends now. @param node its key */
  note(node: string, message: Message): void {
    this.#prune();
    if (this.#sent.length >= MAX_MESSAGE_COUNT) this.#sent.shift();
    this.#sent.push({ at: performance.now(), node, message });
  }

  /** Call when a deploy begins: messages on their way, and new ones, are kept until it has ended. */
  deploying(): void {
    this.#prune();
    this.#deploying = true;
  }

  /** Call when a deploy has ended. @returns the messages to send again */
  deployed(): { node: string; message: Message }[] {
    if (!this.#deploying) return [];
    this.#deploying = false;
    return this.#sent.splice(0);
  }

  #prune(): void {
    if (this.#deploying) return;
    const since = performance.now() - TRANSIT_TIME_MS;
    while (this.#sent[0] && this.#sent[0].at < since) this.#sent.shift();
  }
}
