import type { Build } from '../build.ts';
import type { Destination, Flow, Message } from '../types.ts';
import { holds } from './tracker.ts';
import type { Watchdog } from './watchdog.ts';

/** Hands builds' messages on through the flow, and keeps what a deploy holds up or would take away. */
export class MessageRouter {
  readonly #flow: Flow;
  readonly #watchdog: Watchdog;

  constructor(flow: Flow, watchdog: Watchdog) {
    this.#flow = flow;
    this.#watchdog = watchdog;
  }

  /** Sends a build's message from a node's output, with what the build is now; after the deploy, where one is on. */
  send(build: Build, node: string, port: number, message: Message): void {
    const next: Message = { ...message, change: build.change, build: build.view() };
    build.inFlight.set(node, { port, message: next });
    this.#deliver(build, node);
  }

  /** A message of a build was sent from a node to others. */
  moved(build: Build, message: Message, from: string, ours: boolean, to: Destination[]): void {
    const graph = this.#flow.graph();
    // What a deploy would take away must be there to be given again.
    const stops = to.map((stop) =>
      holds(stop.type) && this.#watchdog.leads(stop.node) ? { ...stop, message: this.#flow.copy(message) } : stop,
    );
    build.tracker.sent(from, ours, stops, (node) => graph.handsTo(node, from));
    // The one message of a join stands for all builds that it gathered.
    if (this.#watchdog.gathers(from)) for (const other of build.set.builds) other.tracker.left(from);
  }

  /** A deploy has begun: until it has ended nothing is delivered, and no message counts as lost. */
  deploying(): void {
    this.#watchdog.pause();
  }

  /** A deploy has ended: what came meanwhile is delivered, and nodes get again what waited in the ones before them. */
  deployed(builds: Build[]): void {
    this.#watchdog.resume();
    for (const build of builds) {
      for (const { node, message } of build.tracker.revive((key) => this.#flow.place(key)))
        this.#flow.hand(node, this.#flow.copy(message));
      for (const node of [...build.undelivered]) this.#deliver(build, node);
    }
    if (builds.length > 0) this.#watchdog.check();
  }

  #deliver(build: Build, node: string): void {
    const { port, message } = build.inFlight.get(node)!;
    build.tracker.sent(node, true, []);
    build.undelivered.delete(node);
    if (this.#watchdog.paused || !this.#flow.deliver(node, port, this.#flow.copy(message))) build.undelivered.add(node);
  }
}
