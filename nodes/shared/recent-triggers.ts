import type { Message } from '../../lib/builds/types.ts';

/** Milliseconds for which what was sent may still be on its way through the flow: a few nodes, on a busy machine. */
const ON_ITS_WAY = 2_000;
/** Messages kept at most, so that a flood of events does not grow memory; its oldest are not sent again. */
const MOST = 1_000;

interface Sent {
  at: number;
  node: string;
  message: Message;
}

/**
 * What gerrit-events nodes have just sent. A deploy takes messages away that are on their way to nodes which it closes,
 * without a word; so these are sent once more when it is over. What arrived after all is known by its trigger's key, and
 * ci-jobs starts nothing twice.
 */
export class RecentTriggers {
  readonly #sent: Sent[] = [];
  #deploying = false;

  /** Takes note of a message that a node (its key) sends now. */
  note(node: string, message: Message): void {
    this.#prune();
    if (this.#sent.length >= MOST) this.#sent.shift();
    this.#sent.push({ at: performance.now(), node, message });
  }

  /** A deploy has begun: what is on its way, and what comes from here on, is kept until it has ended. */
  deploying(): void {
    this.#prune();
    this.#deploying = true;
  }

  /** A deploy has ended. @returns what is to be sent again */
  deployed(): { node: string; message: Message }[] {
    if (!this.#deploying) return [];
    this.#deploying = false;
    return this.#sent.splice(0);
  }

  #prune(): void {
    if (this.#deploying) return;
    const since = performance.now() - ON_ITS_WAY;
    while (this.#sent[0] && this.#sent[0].at < since) this.#sent.shift();
  }
}
