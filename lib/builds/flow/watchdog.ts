import { messageLost } from '../../errors/build.ts';
import { reviewGone } from '../../errors/build-report.ts';
import type { Build } from '../build.ts';
import type { BuildSet } from '../buildset.ts';
import type { Flow, Message } from '../types.ts';
import type { FlowGraph } from './graph.ts';

/** Milliseconds without movement after which a build's branches count as in. */
const QUIET = 250;
/** Milliseconds after which a message that no node holds counts as dropped. */
const DROPPED = 2_000;
/** Milliseconds between two looks. */
const LOOK = 100;
/** Milliseconds for which a deploy is waited for: then its flows were stopped, or did not start. */
const LONGEST_DEPLOY = 10 * 60_000;

/** Core nodes with which a user leaves a report out on purpose, behind publish-logs. */
const FILTERS = new Set(['switch', 'rbe']);

/** Whether a publish-logs or gerrit-review has a build's message in hand: it goes on from there, however long that takes. */
const acts = ({ gathered }: Build): boolean => [...gathered.values()].some(({ state }) => state !== 'done');

/** What the watchdog does with what it finds. */
interface Actions {
  end(build: Build): Promise<void>;
  /** Reports builds of a set. False where the review node is not there. */
  report(set: BuildSet, review: string, builds: Build[]): boolean;
  forget(set: BuildSet): void;
}

/** Watches over messages: tells when a build's branches are in, when a buildset is complete, and finds lost builds. */
export class Watchdog {
  readonly #flow: Flow;
  readonly #builds: () => Iterable<Build>;
  readonly #actions: Actions;
  #timer: NodeJS.Timeout | undefined;
  #reach: { graph: FlowGraph; known: Map<string, Set<string>> } | undefined;
  #pausedAt: number | undefined;
  readonly #waiting = new Set<{ set: BuildSet; ready(): boolean; resolve(): void }>();

  constructor(flow: Flow, builds: () => Iterable<Build>, actions: Actions) {
    this.#flow = flow;
    this.#builds = builds;
    this.#actions = actions;
  }

  /** The publish-logs and gerrit-review nodes that a message sent from there comes to, nearest first. */
  targetsFrom(node: string, port?: number): { key: string; type: string }[] {
    return this.#flow
      .graph()
      .reach(node, port)
      .filter(({ type }) => type === 'publish-logs' || type === 'gerrit-review');
  }

  /** Resolves when all branches of a build that can come to a node are in there. */
  settled(build: Build, spec: { node: string; branches?: number }, here: { arrived: number }): Promise<void> {
    const comes = (node: string) => this.#reaches(node, spec.node);
    const ready = (): boolean => {
      const still = Date.now() - build.tracker.movedAt;
      if (build.running.size > 0) return false;
      if (spec.branches !== undefined)
        return here.arrived >= spec.branches || still > (build.aborted ? QUIET : build.set.request.idle);
      if (!build.tracker.any(comes)) return true;
      return still > (build.tracker.held(comes) && !build.aborted ? build.set.request.idle : QUIET);
    };
    if (ready()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.add({ set: build.set, ready, resolve });
      this.watch();
    });
  }

  /** Looks at once, at one buildset where only that has moved, and from then on while there is anything to look at. */
  check(set?: BuildSet): void {
    this.watch();
    this.#look(set);
  }

  /** Looks from time to time while there is a build. */
  watch(): void {
    this.#timer ??= setInterval(() => this.#look(), LOOK).unref();
  }

  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Looks no more until a deploy has ended: its nodes come and go, and nothing is lost by that. */
  pause(): void {
    this.#pausedAt ??= Date.now();
  }

  resume(): void {
    this.#pausedAt = undefined;
  }

  get paused(): boolean {
    return this.#pausedAt !== undefined && Date.now() - this.#pausedAt < LONGEST_DEPLOY;
  }

  /** Whether a message at a node can come to any publish-logs or gerrit-review. */
  leads(node: string): boolean {
    const type = this.#flow.graph().typeOf(node);
    return type === 'publish-logs' || type === 'gerrit-review' || this.#reachable(node).size > 0;
  }

  /** Whether one message out of a node stands for many that came to it. */
  gathers(node: string): boolean {
    const type = this.#flow.graph().typeOf(node);
    return type === 'join' || type === 'batch';
  }

  #look(only?: BuildSet): void {
    if (this.paused) return;
    for (const waiter of this.#waiting) {
      if ((only !== undefined && waiter.set !== only) || !waiter.ready()) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
    if (only !== undefined) {
      for (const build of only.builds) this.#find(build);
      this.#complete(only);
      return;
    }
    const sets = new Set<BuildSet>();
    for (const build of this.#builds()) {
      sets.add(build.set);
      this.#find(build);
    }
    for (const set of sets) this.#complete(set);
    if (sets.size === 0 && this.#waiting.size === 0) this.stop();
  }

  /** Reports a set whose builds are all in, and forgets one of which nothing more can come. */
  #complete(set: BuildSet): void {
    if (set.builds.some((build) => !build.over)) return;
    for (const review of set.arrived.keys()) {
      if (!set.reported.has(review) && set.builds.every((build) => this.#isIn(build, review))) {
        set.reported.add(review);
        this.#report(set, review);
      }
    }
    const idle = set.builds.every((build) => {
      if (acts(build)) return false;
      const still = Date.now() - build.tracker.movedAt;
      const comes = (node: string) => this.leads(node) && !this.gathers(node);
      return still > (build.tracker.held(comes) ? set.request.idle : DROPPED * 2);
    });
    if (idle && set.reporting.size === 0 && [...set.arrived.keys()].every((review) => set.reported.has(review)))
      this.#actions.forget(set);
  }

  /** Each review reports the builds whose lanes lead to it, but for those that a newer run took the place of. */
  #report(set: BuildSet, review: string): void {
    const here = set.arrived.get(review)?.builds;
    const builds = set.builds.filter(
      (build) =>
        !build.superseded && (here?.has(build.id) || this.#targetsOf(build).some((target) => target.key === review)),
    );
    set.reporting.add(review);
    if (this.#actions.report(set, review, builds)) return;
    set.reporting.delete(review);
    const [{ label }] = set.builds as [Build];
    this.#flow.observe({ kind: 'warning', label, node: set.request.node, message: reviewGone(label).message });
  }

  /** Whether a build has come to a review, never will, or has ended and rests where nothing holds it. */
  #isIn(build: Build, review: string): boolean {
    if (build.set.arrived.get(review)?.builds.has(build.id)) return true;
    if (!this.#targetsOf(build).some((target) => target.key === review)) return true;
    if (acts(build)) return false;
    const still = Date.now() - build.tracker.movedAt;
    const comes = (node: string) => this.#reaches(node, review) && !this.gathers(node);
    return still > (build.tracker.held(comes) ? build.set.request.idle : QUIET);
  }

  /** Hands a build whose message is lost to where its lane would have led it. */
  #find(build: Build): void {
    // One that has sent nothing yet waits in the queue, or for its log to be opened.
    if (build.inFlight.size === 0 || build.lost || build.running.size > 0) return;
    if (acts(build)) return;
    if (build.ending && !build.over) return;
    const still = Date.now() - build.tracker.movedAt;
    const comes = (node: string) => this.leads(node);
    const heldBack = build.tracker.held(comes) && !build.aborted;
    if (still < (heldBack ? build.set.request.idle : build.tracker.any(comes) ? DROPPED : QUIET)) return;
    if (build.over) this.#lostBehind(build);
    else this.#lostBefore(build);
  }

  #lostBefore(build: Build): void {
    const last = build.tracker.last.node;
    // Of an aborted build nothing is waited for; that its message rests somewhere is no loss.
    if (!build.aborted) this.#sayLost(build, last);
    build.settle('ERROR');
    build.tracker.clear();
    build.tracker.movedAt = Date.now();
    // What was deleted under it may have cut the way that it had when it started.
    const ahead = [...this.targetsFrom(last), ...this.#targetsOf(build), ...build.targets].filter(
      (target) => !build.gathered.has(target.key),
    );
    const target =
      ahead.find(({ type }) => type === 'publish-logs') ?? ahead.find(({ type }) => type === 'gerrit-review');
    if (target && this.#flow.hand(target.key, this.#message(build))) return;
    build.lost = true;
    void this.#actions.end(build);
  }

  #sayLost(build: Build, last: string): void {
    const ran = build.steps.findLast((step) => step.node === last);
    const { message } = messageLost(ran?.name ?? this.#flow.graph().nameOf(last));
    build.say(message);
    this.#flow.observe({ kind: 'warning', label: build.label, node: build.set.request.node, message });
  }

  /** An ended build that came to no review: given to the nearest, unless a filter behind publish-logs took it out. */
  #lostBehind(build: Build): void {
    build.lost = true;
    const { last } = build.tracker;
    if (build.superseded || FILTERS.has(last.type)) return;
    const { arrived } = build.set;
    if ([...arrived.values()].some((there) => there.builds.has(build.id))) return;
    const isReview = ({ type }: { type: string }) => type === 'gerrit-review';
    const cut = !this.#targetsOf(build).some(isReview);
    const reviews = [...this.targetsFrom(last.node), ...(cut ? build.targets : [])].filter(isReview);
    // A join gathers builds: one message then stands for all of them.
    if (reviews.some(({ key }) => arrived.has(key))) return;
    if (reviews[0]) this.#flow.hand(reviews[0].key, this.#message(build));
  }

  #message(build: Build): Message {
    const { request } = build.set;
    const kept = build.inFlight.get(build.tracker.origin)?.message ?? request.message;
    return { ...this.#flow.copy(kept), change: build.change, build: build.view() };
  }

  /** Where the build's lane leads now; as it was at the start where its ci-jobs is gone. */
  #targetsOf(build: Build): { key: string; type: string }[] {
    const { node } = build.set.request;
    return this.#flow.graph().has(node) ? this.targetsFrom(node, build.spec.port) : build.targets;
  }

  #reaches(node: string, target: string): boolean {
    return node === target || this.#reachable(node).has(target);
  }

  #reachable(node: string): Set<string> {
    const graph = this.#flow.graph();
    if (this.#reach?.graph !== graph) this.#reach = { graph, known: new Map() };
    let keys = this.#reach.known.get(node);
    if (!keys) {
      keys = new Set(this.targetsFrom(node).map((target) => target.key));
      this.#reach.known.set(node, keys);
    }
    return keys;
  }
}
