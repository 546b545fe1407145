import { messageLost } from '../../errors/build.ts';
import { reviewGone } from '../../errors/build-report.ts';
import type { Build } from '../build.ts';
import type { BuildSet } from '../buildset.ts';
import type { FlowGraph } from '../flow-graph.ts';
import type { Flow, Message } from '../types.ts';

/** Time without a message moving after which no further branch of a build is expected. */
const BRANCHES_QUIET_MS = 250;
/** Time after which a message that no node holds on purpose counts as dropped. */
const DROPPED_AFTER_MS = 2_000;
const CHECK_INTERVAL_MS = 100;
/** Time after which a deploy is no longer waited for: its flows were stopped, or failed to start. */
const MAX_DEPLOY_MS = 10 * 60_000;

/** Core nodes that users place after publish-logs to leave a report out on purpose. */
const FILTER_TYPES = new Set(['switch', 'rbe']);

/** Returns whether a publish-logs or gerrit-review node is processing the build, however long that takes. */
const isActing = ({ joins }: Build): boolean => [...joins.values()].some(({ state }) => state !== 'done');

/** What the watchdog does about its findings. */
interface Actions {
  /** Ends a build that cannot be recovered. */
  end(build: Build): Promise<void>;
  /** Reports builds of a set. @returns false if the review node is not in the flow */
  report(set: BuildSet<Build>, review: string, builds: Build[]): boolean;
  /** Drops a set that is done. */
  forget(set: BuildSet<Build>): void;
}

/** Watches messages: detects when a build's branches have arrived and a buildset is complete, and recovers lost builds. */
export class Watchdog {
  readonly #flow: Flow;
  readonly #builds: () => Iterable<Build>;
  readonly #actions: Actions;
  #timer: NodeJS.Timeout | undefined;
  #reachability: { graph: FlowGraph; known: Map<string, Set<string>> } | undefined;
  #pausedAt: number | undefined;
  readonly #waiting = new Set<{ set: BuildSet<Build>; ready(): boolean; resolve(): void }>();

  constructor(flow: Flow, builds: () => Iterable<Build>, actions: Actions) {
    this.#flow = flow;
    this.#builds = builds;
    this.#actions = actions;
  }

  /** Returns the publish-logs and gerrit-review nodes that a message from the node can reach, nearest first. */
  targetsFrom(node: string, port?: number): { key: string; type: string }[] {
    return this.#flow
      .graph()
      .reachableFrom(node, port)
      .filter(({ type }) => type === 'publish-logs' || type === 'gerrit-review');
  }

  /** Resolves when all branches of a build that can reach the node have arrived there. */
  waitForBranches(build: Build, spec: { node: string; branches?: number }, join: { arrived: number }): Promise<void> {
    const leadsOn = (node: string) => this.#reaches(node, spec.node);
    const ready = (): boolean => {
      const quietMs = Date.now() - build.tracker.movedAt;
      if (build.running.size > 0) return false;
      if (spec.branches !== undefined)
        return (
          join.arrived >= spec.branches || quietMs > (build.isAborted ? BRANCHES_QUIET_MS : build.set.request.idle)
        );
      if (!build.tracker.hasAny(leadsOn)) return true;
      return (
        quietMs > (build.tracker.hasHeld(leadsOn) && !build.isAborted ? build.set.request.idle : BRANCHES_QUIET_MS)
      );
    };
    if (ready()) return Promise.resolve();
    return new Promise((resolve) => {
      this.#waiting.add({ set: build.set, ready, resolve });
      this.watch();
    });
  }

  /** Checks now, only the given buildset if any, and then regularly while there are builds. */
  check(set?: BuildSet<Build>): void {
    this.watch();
    this.#inspect(set);
  }

  /** Checks regularly while there are builds. */
  watch(): void {
    this.#timer ??= setInterval(() => this.#inspect(), CHECK_INTERVAL_MS).unref();
  }

  /** Stops checking. */
  stop(): void {
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  /** Suspends all checks until `resume`: nodes that come and go in a deploy lose no message. */
  pause(): void {
    this.#pausedAt ??= Date.now();
  }

  /** Resumes checks after a deploy. */
  resume(): void {
    this.#pausedAt = undefined;
  }

  /** Whether a deploy is in progress. */
  get isPaused(): boolean {
    return this.#pausedAt !== undefined && Date.now() - this.#pausedAt < MAX_DEPLOY_MS;
  }

  /** Returns whether a message at the node can reach any publish-logs or gerrit-review. */
  leadsToTarget(node: string): boolean {
    const type = this.#flow.graph().typeOf(node);
    return type === 'publish-logs' || type === 'gerrit-review' || this.#reachable(node).size > 0;
  }

  /** Returns whether one message from the node stands for several that it received. */
  isJoin(node: string): boolean {
    const type = this.#flow.graph().typeOf(node);
    return type === 'join' || type === 'batch';
  }

  #inspect(only?: BuildSet<Build>): void {
    if (this.isPaused) return;
    for (const waiter of this.#waiting) {
      if ((only !== undefined && waiter.set !== only) || !waiter.ready()) continue;
      this.#waiting.delete(waiter);
      waiter.resolve();
    }
    if (only !== undefined) {
      for (const build of only.builds) this.#recoverIfLost(build);
      this.#reportIfComplete(only);
      return;
    }
    const sets = new Set<BuildSet<Build>>();
    for (const build of this.#builds()) {
      sets.add(build.set);
      this.#recoverIfLost(build);
    }
    for (const set of sets) this.#reportIfComplete(set);
    if (sets.size === 0 && this.#waiting.size === 0) this.stop();
  }

  /** Reports a set once all of its builds are accounted for, and forgets it once no message of it can arrive any more. */
  #reportIfComplete(set: BuildSet<Build>): void {
    if (set.builds.some((build) => !build.isFinished)) return;
    for (const review of set.arrived.keys()) {
      if (!set.reported.has(review) && set.builds.every((build) => this.#isAccountedFor(build, review))) {
        set.reported.add(review);
        this.#report(set, review);
      }
    }
    const idle = set.builds.every((build) => {
      if (isActing(build)) return false;
      const quietMs = Date.now() - build.tracker.movedAt;
      const leadsOn = (node: string) => this.leadsToTarget(node) && !this.isJoin(node);
      return quietMs > (build.tracker.hasHeld(leadsOn) ? set.request.idle : DROPPED_AFTER_MS * 2);
    });
    if (idle && set.reporting.size === 0 && [...set.arrived.keys()].every((review) => set.reported.has(review)))
      this.#actions.forget(set);
  }

  /** Reports the builds whose lanes lead to the review, except superseded ones. */
  #report(set: BuildSet<Build>, review: string): void {
    const arrival = set.arrived.get(review)?.builds;
    const builds = set.builds.filter(
      (build) =>
        !build.isSuperseded &&
        (arrival?.has(build.id) || this.#targetsOf(build).some((target) => target.key === review)),
    );
    set.reporting.add(review);
    if (this.#actions.report(set, review, builds)) return;
    set.reporting.delete(review);
    const [{ label }] = set.builds as [Build];
    this.#flow.emit({ kind: 'warning', label, node: set.request.node, message: reviewGone(label).message });
  }

  /** Returns whether a build has reached a review, cannot reach it, or is not held on its way there. */
  #isAccountedFor(build: Build, review: string): boolean {
    if (build.set.arrived.get(review)?.builds.has(build.id)) return true;
    if (!this.#targetsOf(build).some((target) => target.key === review)) return true;
    if (isActing(build)) return false;
    const quietMs = Date.now() - build.tracker.movedAt;
    const leadsOn = (node: string) => this.#reaches(node, review) && !this.isJoin(node);
    return quietMs > (build.tracker.hasHeld(leadsOn) ? build.set.request.idle : BRANCHES_QUIET_MS);
  }

  /** Sends a build whose message was lost to the node where its lane would have ended. */
  #recoverIfLost(build: Build): void {
    // One that has sent nothing yet is waiting for its log to be opened.
    if (build.inFlight.size === 0 || build.isLost || build.running.size > 0) return;
    if (isActing(build)) return;
    if (build.ending && !build.isFinished) return;
    const quietMs = Date.now() - build.tracker.movedAt;
    const leadsOn = (node: string) => this.leadsToTarget(node);
    const isHeld = build.tracker.hasHeld(leadsOn) && !build.isAborted;
    if (
      quietMs < (isHeld ? build.set.request.idle : build.tracker.hasAny(leadsOn) ? DROPPED_AFTER_MS : BRANCHES_QUIET_MS)
    )
      return;
    if (build.isFinished) this.#recoverEnded(build);
    else this.#recoverRunning(build);
  }

  #recoverRunning(build: Build): void {
    const last = build.tracker.last.node;
    // An aborted build is not waited for: that its message is held somewhere is not a fault of the flow.
    if (!build.isAborted) this.#warnLost(build, last);
    build.recordResult('ERROR');
    build.tracker.clear();
    build.tracker.movedAt = Date.now();
    // A deploy may have cut the lane that it started on.
    const targets = [...this.targetsFrom(last), ...this.#targetsOf(build), ...build.targets].filter(
      (target) => !build.joins.has(target.key),
    );
    const target =
      targets.find(({ type }) => type === 'publish-logs') ?? targets.find(({ type }) => type === 'gerrit-review');
    if (target && this.#flow.inject(target.key, this.#message(build))) return;
    build.isLost = true;
    void this.#actions.end(build);
  }

  #warnLost(build: Build, last: string): void {
    const ran = build.steps.findLast((step) => step.node === last);
    const { message } = messageLost(ran?.name ?? this.#flow.graph().nameOf(last));
    build.say(message);
    this.#flow.emit({ kind: 'warning', label: build.label, node: build.set.request.node, message });
  }

  /** Sends an ended build that reached no review to the nearest one, unless a filter after publish-logs dropped it. */
  #recoverEnded(build: Build): void {
    build.isLost = true;
    const { last } = build.tracker;
    if (build.isSuperseded || FILTER_TYPES.has(last.type)) return;
    const { arrived } = build.set;
    if ([...arrived.values()].some((arrival) => arrival.builds.has(build.id))) return;
    const isReview = ({ type }: { type: string }) => type === 'gerrit-review';
    const isCut = !this.#targetsOf(build).some(isReview);
    const reviews = [...this.targetsFrom(last.node), ...(isCut ? build.targets : [])].filter(isReview);
    // After a join node, one message stands for all builds of the set.
    if (reviews.some(({ key }) => arrived.has(key))) return;
    if (reviews[0]) this.#flow.inject(reviews[0].key, this.#message(build));
  }

  #message(build: Build): Message {
    const { request } = build.set;
    const kept = build.inFlight.get(build.tracker.origin)?.message ?? request.message;
    return { ...this.#flow.copy(kept), change: build.change, build: build.view() };
  }

  /** Returns the nodes that the build's lane leads to now; if its ci-jobs was deleted, those at its start. */
  #targetsOf(build: Build): { key: string; type: string }[] {
    const { node } = build.set.request;
    return this.#flow.graph().has(node) ? this.targetsFrom(node, build.spec.port) : build.targets;
  }

  #reaches(node: string, target: string): boolean {
    return node === target || this.#reachable(node).has(target);
  }

  #reachable(node: string): Set<string> {
    const graph = this.#flow.graph();
    if (this.#reachability?.graph !== graph) this.#reachability = { graph, known: new Map() };
    let keys = this.#reachability.known.get(node);
    if (!keys) {
      keys = new Set(this.targetsFrom(node).map((target) => target.key));
      this.#reachability.known.set(node, keys);
    }
    return keys;
  }
}
