import { randomBytes } from 'node:crypto';
import { aborted, lateBranch, noBuild, superseded } from '../errors/build.ts';
import { type CiError, toCiError } from '../errors/ci-error.ts';
import { openBuildLog } from '../logs/build-log.ts';
import { Slots } from '../store/slots.ts';
import { TriggersSeen } from '../store/triggers-seen.ts';
import { Semaphore } from '../util/semaphore.ts';
import type { Owner } from '../worker/types.ts';
import { type BranchJoin, Build } from './build.ts';
import { BuildSet } from './buildset.ts';
import { BuildFinisher } from './cleanup/finisher.ts';
import { CleanupQueue } from './cleanup/queue.ts';
import { MessageRouter } from './flow/router.ts';
import { Watchdog } from './flow/watchdog.ts';
import type { ReportServer } from './report/poster.ts';
import { Reporter } from './report/reporter.ts';
import { Scheduler } from './scheduler.ts';
import { runStep, type StepSpec, type StepWork, shouldRun } from './step.ts';
import { dedupeKey, supersedes } from './supersede.ts';
import type { Destination, Flow, Message, StartRequest } from './types.ts';

/** Limit of logs opened at once: more would not be faster, and each holds a file and buffers. */
const MAX_CONCURRENT_LOG_OPEN_COUNT = 8;

/** Builds are not retried yet. */
const FIRST_ATTEMPT = 1;

/** A node where a build's branches meet. */
export interface JoinSpec {
  node: string;
  /** Number of branches that meet there; by default all that are on their way. */
  branches?: number;
}

/**
 * Owns the builds of one process. They outlive the nodes, which come and go with deploys: messages are sent through the
 * nodes deployed at that time. Only the supervisor aborts a build.
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
  readonly #logOpens = new Semaphore(MAX_CONCURRENT_LOG_OPEN_COUNT);

  /** @param server returns the Gerrit server with that id, for reports; undefined if it is not in the flow */
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

  /** Returns all builds, including ended ones whose report is not done. */
  builds(): Build[] {
    return [...this.#builds.values()];
  }

  /** Returns the builds that have not ended. @param node key of a ci-jobs node, to return only its builds */
  active(node?: string): Build[] {
    return this.builds().filter((build) => !build.endedAt && (node === undefined || build.set.request.node === node));
  }

  /**
   * Starts the builds of a trigger, one per job and lane. A job that this trigger has started before is skipped.
   *
   * @returns the builds started, and the number of jobs skipped
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
        if (supersedes(request, spec.name, older)) this.#supersede(older, request);
      const build = new Build(randomBytes(4).toString('hex'), FIRST_ATTEMPT, set, set.builds.length, spec);
      set.builds.push(build);
      this.#builds.set(build.id, build);
    }
    await Promise.all(set.builds.map((build) => this.#startBuild(build)));
    return { started: set.builds, duplicates };
  }

  /** Aborts a build. @param by who asked for it @returns false if it is unknown or has ended */
  abort(id: string, by: string): boolean {
    const build = this.#builds.get(id);
    if (!build || build.endedAt) return false;
    build.abort(aborted(by));
    return true;
  }

  /**
   * Runs one step for a message, if the step is to run for this build, and sends the message on.
   *
   * @returns the error to report to Catch nodes, if any
   */
  async step(spec: StepSpec, message: Message, work: StepWork): Promise<CiError | undefined> {
    const build = this.#receive(spec.node, message);
    // A delay node may still send a message of a build that was stopped: it is dropped.
    if (build?.endedAt && build.isAborted) return undefined;
    if (!build || build.endedAt) {
      this.#flow.sendFrom(spec.node, 0, message);
      // A late branch causes a warning at the node where the branches meet, not here.
      return build && this.#watchdog.targetsFrom(spec.node).length > 0 ? undefined : noBuild(spec.name);
    }
    if (!shouldRun(spec.when, build.result !== undefined)) {
      this.#flow.emit({ kind: 'step-passed', label: build.label, node: spec.node });
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
   * Waits at a node for all branches of a build, then calls `act` once: when no step of the build is running, no message
   * of it is on its way to the node, and none has moved for a moment. A branch that arrives later only causes a warning.
   *
   * @returns the error to report to Catch nodes, if any
   */
  async joinBranches(
    spec: JoinSpec,
    message: Message,
    act: (build: Build, message: Message) => Promise<CiError | undefined>,
  ): Promise<CiError | undefined> {
    const known = this.#builds.get(message.build?.id ?? '');
    const earlier = known?.joins.get(spec.node);
    if (known && earlier && earlier.state !== 'waiting') {
      known.tracker.noteConsumed(spec.node);
      // A Catch node sends a copy of a message: that is no branch. Late branches of an aborted build are expected.
      if (message['error'] !== undefined || known.isAborted) return undefined;
      const late = lateBranch(known.label, this.#flow.graph().nameOf(spec.node));
      this.#flow.emit({ kind: 'warning', label: known.label, node: spec.node, message: late.message });
      return undefined;
    }
    const build = this.#receive(spec.node, message);
    if (!build) {
      this.#flow.sendFrom(spec.node, 0, message);
      return noBuild(this.#flow.graph().nameOf(spec.node));
    }
    if (earlier) {
      earlier.arrived += 1;
      if (message['error'] === undefined) earlier.message = message;
      return undefined;
    }
    const join: BranchJoin = { arrived: 1, state: 'waiting', message };
    build.joins.set(spec.node, join);
    await this.#watchdog.waitForBranches(build, spec, join);
    join.state = 'acting';
    // The build arrived only through a Catch node: the node that failed dropped its message.
    if (join.message['error'] !== undefined && !build.endedAt) build.recordResult('ERROR');
    try {
      return await act(build, join.message);
    } finally {
      join.state = 'done';
    }
  }

  /** Sends a build's message on from a node where its branches met. */
  send(build: Build, node: string, port: number, message: Message): void {
    this.#router.send(build, node, port, message);
  }

  /**
   * Ends a build at a gerrit-review node, unless publish-logs has done so, and reports its buildset once all of its builds
   * have arrived.
   */
  report(node: string, message: Message): Promise<CiError | undefined> {
    return this.joinBranches({ node }, message, async (build, last) => {
      await this.end(build);
      build.set.noteArrival(node, build.id, last);
      this.#watchdog.check(build.set);
      return undefined;
    });
  }

  /** Ends a build: stops its steps, releases its resources and closes its log; idempotent. */
  end(build: Build): Promise<void> {
    build.ending ??= this.#end(build);
    return build.ending;
  }

  /** Tracks a message of a build that a node sent. @param ours whether the node is one of Recheck's */
  messageSent(message: Message, from: string, ours: boolean, to: Destination[]): void {
    const build = this.#builds.get(message.build?.id ?? '');
    if (build) this.#router.messageSent(build, message, from, ours, to);
  }

  /** Notes that a deploy has begun. */
  deploying(): void {
    this.#router.deploying();
  }

  /** Notes that a deploy has ended. */
  deployed(): void {
    this.#router.deployed(this.builds());
  }

  /** Returns whether a build of this process owns it, so that it is not a leftover of a crash. */
  owns({ build, attempt }: Owner): boolean {
    return this.#builds.get(build)?.attempt === attempt;
  }

  /** Aborts and ends all builds, as when the process stops. */
  async close(): Promise<void> {
    this.#watchdog.stop();
    for (const build of this.active()) build.abort(aborted('Node-RED is stopping'));
    await Promise.all(this.builds().map((build) => this.end(build)));
    this.reporter.close();
    this.cleanupQueue.close();
  }

  async #startBuild(build: Build): Promise<void> {
    // It was superseded while other jobs of its trigger were admitted.
    if (build.ending) return;
    build.isStarted = true;
    const { request } = build.set;
    build.targets = this.#watchdog.targetsFrom(request.node, build.spec.port);
    const publish = build.targets.find((target) => target.type === 'publish-logs');
    const settings = publish && this.#flow.logSettings(publish.key);
    if (settings) {
      try {
        build.log = await this.#logOpens.pass(() => openBuildLog(settings, build.change, build.view()));
        build.log.update(build.page());
      } catch (error) {
        const fault = toCiError(error, settings.root);
        build.recordResult(fault.result);
        this.#flow.emit({ kind: 'warning', label: build.label, node: publish.key, message: fault.message });
      }
    }
    this.#watchdog.watch();
    this.#flow.emit({
      kind: 'build-started',
      label: build.label,
      node: request.node,
      build: build.view(),
      change: build.change,
    });
    this.#router.send(build, request.node, build.spec.port, this.#flow.copy(request.message));
  }

  /** Records a message's arrival and applies what users' nodes put on it. */
  #receive(node: string, message: Message): Build | undefined {
    const build = this.#builds.get(message.build?.id ?? '');
    if (!build) return undefined;
    const sender = this.#flow.graph().nameOf(build.tracker.senderTo(node));
    for (const error of build.applyUserProperties(message, sender)) {
      this.#flow.emit({ kind: 'warning', label: build.label, node, message: error.message });
    }
    build.tracker.noteConsumed(node);
    return build;
  }

  async #end(build: Build): Promise<void> {
    await this.#finisher.finish(build);
    this.#flow.emit({
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

  /** Aborts an older build for a newer one. If it has ended, it is left out of a report that is not posted yet. */
  #supersede(build: Build, request: StartRequest): void {
    build.isSuperseded = true;
    if (build.endedAt) return;
    build.abort(superseded(request.trigger.reason));
    if (!build.isStarted) void this.end(build);
  }
}
