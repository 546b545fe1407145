import type { Build } from '../build.ts';
import type { Destination, Flow, Message } from '../types.ts';
import { mayHold } from './tracker.ts';
import type { Watchdog } from './watchdog.ts';

/** Sends builds' messages through the flow, and keeps those that a deploy delays or would drop. */
export class MessageRouter {
  readonly #flow: Flow;
  readonly #watchdog: Watchdog;

  constructor(flow: Flow, watchdog: Watchdog) {
    this.#flow = flow;
    this.#watchdog = watchdog;
  }

  /** Sends a build's message from a node's output, with a fresh `msg.build`; after the deploy, if one is in progress. */
  send(build: Build, node: string, port: number, message: Message): void {
    const next: Message = { ...message, change: build.change, build: build.view() };
    build.inFlight.set(node, { port, message: next });
    this.#sendInFlight(build, node);
  }

  /** Tracks a message of a build that a node sent. @param ours whether the node is one of Recheck's */
  messageSent(build: Build, message: Message, from: string, ours: boolean, to: Destination[]): void {
    const graph = this.#flow.graph();
    // A deploy drops what such a node holds: it is sent again from the copy.
    const destinations = to.map((destination) =>
      mayHold(destination.type) && this.#watchdog.leadsToTarget(destination.node)
        ? { ...destination, message: this.#flow.copy(message) }
        : destination,
    );
    build.tracker.noteSent(from, ours, destinations, (node) => graph.forwardsTo(node, from));
    // The one message that a join node sends stands for all builds of the set.
    if (this.#watchdog.isJoin(from)) for (const other of build.set.builds) other.tracker.noteConsumed(from);
  }

  /** Pauses at the start of a deploy: until it ends nothing is sent, and no message counts as lost. */
  deploying(): void {
    this.#watchdog.pause();
  }

  /** Resumes at the end of a deploy: sends what was due meanwhile, and again what closed nodes held. */
  deployed(builds: Build[]): void {
    this.#watchdog.resume();
    for (const build of builds) {
      for (const { node, message } of build.tracker.revive((key) => this.#flow.instance(key)))
        this.#flow.inject(node, this.#flow.copy(message));
      for (const node of [...build.undelivered]) this.#sendInFlight(build, node);
    }
    if (builds.length > 0) this.#watchdog.check();
  }

  #sendInFlight(build: Build, node: string): void {
    const { port, message } = build.inFlight.get(node)!;
    build.tracker.noteSent(node, true, []);
    build.undelivered.delete(node);
    if (this.#watchdog.isPaused || !this.#flow.sendFrom(node, port, this.#flow.copy(message)))
      build.undelivered.add(node);
  }
}
