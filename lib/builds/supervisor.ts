import { randomBytes } from 'node:crypto';
import { aborted, lateBranch, noBuild, superseded } from '../errors/build.ts';
import { type CiError, toCiError } from '../errors/ci-error.ts';
import { openBuildLog } from '../logs/build-log.ts';
import { Slots } from '../store/slots.ts';
import { TriggersSeen } from '../store/triggers-seen.ts';
import { Semaphore } from '../util/semaphore.ts';
import type { Owner } from '../worker/types.ts';
import { Build, type Gathering } from './build.ts';
import { BuildSet } from './buildset.ts';
import { BuildFinisher } from './cleanup/finisher.ts';
import { CleanupQueue } from './cleanup/queue.ts';
import { MessageRouter } from './flow/router.ts';
import { Watchdog } from './flow/watchdog.ts';
import type { ReportServer } from './report/poster.ts';
import { Reporter } from './report/reporter.ts';
import { Scheduler } from './scheduler.ts';
import { runStep, runs, type StepSpec, type StepWork } from './step.ts';
import { dedupeKey, replaces } from './supersede.ts';
import type { Destination, Flow, Message, StartRequest } from './types.ts';

/** Logs that are opened at once. More would not be faster, and each holds a file and its buffers. */
const MAX_LOGS_OPENING_COUNT = 8;

/** A build is started once: nothing starts it again yet. */
const FIRST_ATTEMPT = 1;

/** What a gathering node does once a build's branches are in. */
export interface GatherSpec {
  node: string;
  /** How many branches meet there; missing: as the wires tell. */
  branches?: number;
}

/**
 * Owns the builds of one process: they outlive the nodes, which come and go with deploys. It hands messages on through
 * the flow's current nodes, and it alone aborts a build.
 */
export class Supervisor {
  readonly scheduler: Scheduler;
  readonly cleanupQueue = new CleanupQueue();
  readonly reporter: Reporter;
  readonly #flow: Flow;
  readonly #triggers = new TriggersSeen();
  readonly #builds = new Map<string, Build>();
  readonly #watchdog: Watchdog;
  readonly #router: MessageRouter;
  readonly #finisher: BuildFinisher;
  readonly #opening = new Semaphore(MAX_LOGS_OPENING_COUNT);

  /** @param server the Gerrit server of an id, for reports; undefined if the flow has none of that id now */
  constructor(flow: Flow, server: (id: string) => ReportServer | undefined) {
    this.#flow = flow;
    this.scheduler = new Scheduler(new Slots());
    this.#finisher = new BuildFinisher(flow, this.cleanupQueue);
    this.reporter = new Reporter({
      flow,
      server,
      send: (build, node, message) => this.#router.send(build, node, 0, message),
    });
    this.#watchdog = new Watchdog(flow, () => this.#builds.values(), {
      end: (build) => this.end(build),
      report: (set, review, builds) => this.reporter.report(set, review, builds),
      forget: (set) => {
        for (const build of set.builds) this.#builds.delete(build.id);
      },
    });
    this.#router = new MessageRouter(flow, this.#watchdog);
  }

  /** All builds that it knows, ended ones too while their report is awaited. */
  builds(): Build[] {
    return [...this.#builds.values()];
  }

  /** Builds that run now, of one ci-jobs node where it is given. */
  active(node?: string): Build[] {
    return this.builds().filter((build) => !build.endedAt && (node === undefined || build.set.request.node === node));
  }

  /**
   * Starts the builds of a trigger, each at its lane. A trigger seen before starts nothing.
   *
   * @returns the builds started and how many were seen before
   */
  async start(request: StartRequest): Promise<{ started: Build[]; duplicates: number }> {
    const set = new BuildSet<Build>(request);
    let duplicates = 0;
    for (const spec of request.jobs) {
      if (!(await this.#triggers.admit(dedupeKey(request, spec.name)))) {
        duplicates += 1;
        continue;
      }
      for (const older of this.#builds.values())
        if (replaces(request, spec.name, older)) this.#supersede(older, request);
      const build = new Build(randomBytes(4).toString('hex'), FIRST_ATTEMPT, set, set.builds.length, spec);
      set.builds.push(build);
      this.#builds.set(build.id, build);
    }
    await Promise.all(set.builds.map((build) => this.#begin(build)));
    return { started: set.builds, duplicates };
  }

  /** Aborts one build by a person's wish. False where it does not run. */
  abort(id: string, by: string): boolean {
    const build = this.#builds.get(id);
    if (!build || build.endedAt) return false;
    build.abort(aborted(by));
    return true;
  }

  /**
   * Runs one step for a message: takes what users' nodes put on it, decides whether the step runs, runs it, sends the
   * message on.
   *
   * @returns the fault for Catch nodes to see, if there was one
   */
  async step(spec: StepSpec, message: Message, work: StepWork): Promise<CiError | undefined> {
    const build = this.#receive(spec.node, message);
    // Long ended by a person's wish; what a delay held comes now, and goes nowhere.
    if (build?.endedAt && build.aborted) return undefined;
    if (!build || build.endedAt) {
      this.#flow.deliver(spec.node, 0, message);
      // A late branch is spoken of where it comes too late.
      return build && this.#watchdog.targetsFrom(spec.node).length > 0 ? undefined : noBuild(spec.name);
    }
    if (!runs(spec.when, build.result !== undefined)) {
      this.#flow.observe({ kind: 'step-passed', label: build.label, node: spec.node });
      this.#router.send(build, spec.node, 0, message);
      return undefined;
    }
    const { outcome, fault } = await runStep(build, spec, this.#flow, work);
    this.scheduler.noteFault(build.resources.worker, fault);
    const { payload } = outcome;
    this.#router.send(build, spec.node, 0, payload === undefined ? message : { ...message, payload });
    return fault;
  }

  /**
   * Gathers a build's branches at a node and acts once: when no step of it runs, nothing of it is on its way there, and
   * nothing has moved for a moment. Later branches change nothing and are said plainly.
   */
  async gather(
    spec: GatherSpec,
    message: Message,
    act: (build: Build, message: Message) => Promise<CiError | undefined>,
  ): Promise<CiError | undefined> {
    const known = this.#builds.get(message.build?.id ?? '');
    const here = known?.gathered.get(spec.node);
    if (known && here && here.state !== 'gathering') {
      known.tracker.left(spec.node);
      // A Catch node's copy of a message whose original went its way is no branch; one of an aborted build is no news.
      if (message['error'] !== undefined || known.aborted) return undefined;
      const late = lateBranch(known.label, this.#flow.graph().nameOf(spec.node));
      this.#flow.observe({ kind: 'warning', label: known.label, node: spec.node, message: late.message });
      return undefined;
    }
    const build = this.#receive(spec.node, message);
    if (!build) {
      this.#flow.deliver(spec.node, 0, message);
      return noBuild(this.#flow.graph().nameOf(spec.node));
    }
    if (here) {
      here.arrived += 1;
      if (message['error'] === undefined) here.message = message;
      return undefined;
    }
    const gathering: Gathering = { arrived: 1, state: 'gathering', message };
    build.gathered.set(spec.node, gathering);
    await this.#watchdog.settled(build, spec, gathering);
    gathering.state = 'acting';
    // Only a Catch node brought the build here: the node that failed dropped its message.
    if (gathering.message['error'] !== undefined) build.settle('ERROR');
    try {
      return await act(build, gathering.message);
    } finally {
      gathering.state = 'done';
    }
  }

  /** Sends a build's message on from a gathering node. */
  send(build: Build, node: string, port: number, message: Message): void {
    this.#router.send(build, node, port, message);
  }

  /**
   * Takes a build that came to a gerrit-review: it ends here, if no publish-logs stands before it, and the buildset is
   * reported once all of its builds have come.
   *
   * @param node key of the gerrit-review
   */
  report(node: string, message: Message): Promise<CiError | undefined> {
    return this.gather({ node }, message, async (build, last) => {
      await this.end(build);
      build.set.arrive(node, build.id, last);
      this.#watchdog.check(build.set);
      return undefined;
    });
  }

  /** Ends a build: stops what still runs, gives back all that it held and closes its log. Again is fine. */
  end(build: Build): Promise<void> {
    build.ending ??= this.#end(build);
    return build.ending;
  }

  /** A message of a build was sent from a node to others. */
  moved(message: Message, from: string, ours: boolean, to: Destination[]): void {
    const build = this.#builds.get(message.build?.id ?? '');
    if (build) this.#router.moved(build, message, from, ours, to);
  }

  /** A deploy has begun. */
  deploying(): void {
    this.#router.deploying();
  }

  /** A deploy has ended. */
  deployed(): void {
    this.#router.deployed(this.builds());
  }

  /** Whether a build of this process has it: then it is nothing that a crash left. */
  owns({ build, attempt }: Owner): boolean {
    return this.#builds.get(build)?.attempt === attempt;
  }

  /** Ends all builds for good, as when the process stops. */
  async close(): Promise<void> {
    this.#watchdog.stop();
    for (const build of this.active()) build.abort(aborted('the controller stops'));
    await Promise.all(this.builds().map((build) => this.end(build)));
    this.reporter.close();
    this.cleanupQueue.close();
  }

  async #begin(build: Build): Promise<void> {
    // Superseded while the other jobs of its trigger were admitted.
    if (build.ending) return;
    build.begun = true;
    const { request } = build.set;
    build.targets = this.#watchdog.targetsFrom(request.node, build.spec.port);
    const publish = build.targets.find((target) => target.type === 'publish-logs');
    const settings = publish && this.#flow.logSettings(publish.key);
    if (settings) {
      try {
        build.log = await this.#opening.pass(() => openBuildLog(settings, build.change, build.view()));
        build.log.update(build.page());
      } catch (error) {
        const fault = toCiError(error, settings.root);
        build.settle(fault.result);
        this.#flow.observe({ kind: 'warning', label: build.label, node: publish.key, message: fault.message });
      }
    }
    this.#watchdog.watch();
    this.#flow.observe({
      kind: 'build-started',
      label: build.label,
      node: request.node,
      build: build.view(),
      change: build.change,
    });
    this.#router.send(build, request.node, build.spec.port, this.#flow.copy(request.message));
  }

  /** Notes a message's arrival and takes what users' nodes put on it. */
  #receive(node: string, message: Message): Build | undefined {
    const build = this.#builds.get(message.build?.id ?? '');
    if (!build) return undefined;
    const sender = this.#flow.graph().nameOf(build.tracker.senderTo(node));
    for (const wrong of build.take(message, sender)) {
      this.#flow.observe({ kind: 'warning', label: build.label, node, message: wrong.message });
    }
    build.tracker.left(node);
    return build;
  }

  async #end(build: Build): Promise<void> {
    await this.#finisher.finish(build);
    this.#flow.observe({
      kind: 'build-ended',
      label: build.label,
      node: build.set.request.node,
      build: build.view(),
      change: build.change,
      result: build.result ?? 'SUCCESS',
      duration: build.endedAt!.getTime() - build.startedAt.getTime(),
    });
    this.#watchdog.check(build.set);
  }

  /** An older build gives way to a newer one: it ends, and its report, if that waits for other jobs, is left out. */
  #supersede(build: Build, request: StartRequest): void {
    build.superseded = true;
    if (build.endedAt) return;
    build.abort(superseded(request.trigger.reason));
    if (!build.begun) void this.end(build);
  }
}
