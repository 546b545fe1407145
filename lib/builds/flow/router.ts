import type { Build } from '../build.ts';
import { holds, type Stop } from './tracker.ts';
import type { Recovery } from './watchdog.ts';
import type { Message, Outlet } from '../types.ts';

/** Hands builds' messages on through the flow, and keeps what a deploy holds up or would take away. */
export class Courier {
  readonly #outlet: Outlet;
  readonly #recovery: Recovery;

  constructor(outlet: Outlet, recovery: Recovery) {
    this.#outlet = outlet;
    this.#recovery = recovery;
  }

  /** Sends a build's message from a node's output, with what the build is now; after the deploy, where one is on. */
  send(build: Build, node: string, port: number, message: Message): void {
    const next: Message = { ...message, change: build.change, build: build.view() };
    build.inFlight.set(node, { port, message: next });
    this.#deliver(build, node);
  }

  /** A message of a build was sent from a node to others. */
  moved(build: Build, message: Message, from: string, ours: boolean, to: Stop[]): void {
    const graph = this.#outlet.graph();
    // What a deploy would take away must be there to be given again.
    const stops = to.map((stop) =>
      holds(stop.type) && this.#recovery.leads(stop.node) ? { ...stop, message: this.#outlet.copy(message) } : stop,
    );
    build.positions.sent(from, ours, stops, (node) => graph.handsTo(node, from));
    // The one message of a join stands for all builds that it gathered.
    if (this.#recovery.gathers(from)) for (const other of build.set.builds) other.positions.left(from);
  }

  /** A deploy has begun: until it has ended nothing is delivered, and no message counts as lost. */
  deploying(): void {
    this.#recovery.pause();
  }

  /** A deploy has ended: what came meanwhile is delivered, and nodes get again what waited in the ones before them. */
  deployed(builds: Build[]): void {
    this.#recovery.resume();
    for (const build of builds) {
      for (const { node, message } of build.positions.revive((key) => this.#outlet.place(key)))
        this.#outlet.hand(node, this.#outlet.copy(message));
      for (const node of [...build.undelivered]) this.#deliver(build, node);
    }
    if (builds.length > 0) this.#recovery.check();
  }

  #deliver(build: Build, node: string): void {
    const { port, message } = build.inFlight.get(node)!;
    build.positions.sent(node, true, []);
    build.undelivered.delete(node);
    if (this.#recovery.paused || !this.#outlet.deliver(node, port, this.#outlet.copy(message)))
      build.undelivered.add(node);
  }
}
