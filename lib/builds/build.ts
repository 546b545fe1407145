import { createHash } from 'node:crypto';
import { badResult, badVariable, editedByHand, jobTimeUp, resultTooLate } from '../errors/build.ts';
import { badComments } from '../errors/build-report.ts';
import type { CiError } from '../errors/ci-error.ts';
import type { BuildLog } from '../logs/build-log.ts';
import type { BuildPage } from '../logs/types.ts';
import type { BuildView, StepRecord } from '../model/build.ts';
import type { ChangeInfo } from '../model/change.ts';
import { type Result, USER_RESULTS } from '../model/result.ts';
import { isRecord } from '../util/is-record.ts';
import type { BuildSet } from './buildset.ts';
import { MessageTracker } from './flow/tracker.ts';
import { JobClock } from './job-clock.ts';
import { addComments, noComments } from './report/comments.ts';
import { BuildResources } from './resources.ts';
import type { JobSpec, Message } from './types.ts';

/** One step that runs now. */
export interface RunningStep {
  node: string;
  name: string;
  /** Whether the job's time counts it. */
  timed: boolean;
  controller: AbortController;
  /** Resolves when it has ended. */
  over: Promise<void>;
}

/** What the engine keeps of a build. */
export interface RunData {
  build: Build;
}

/** A node at which the branches of a build meet. */
export interface Gathering {
  arrived: number;
  state: 'gathering' | 'acting' | 'done';
  message: Message;
}

/** How many sent views are remembered, to tell a change made by hand. */
const VIEWS_KEPT = 256;

/** One build: the supervisor's record, the truth that each message shows a copy of. */
export class Build {
  readonly id: string;
  readonly attempt: number;
  readonly set: BuildSet;
  readonly index: number;
  readonly spec: JobSpec;
  readonly startedAt = new Date();
  readonly tracker = new MessageTracker();
  readonly resources = new BuildResources();
  readonly running = new Set<RunningStep>();
  /** The patch's own time. */
  readonly clock: JobClock;
  /** Aborted when the build is; steps that run always have a signal of their own. */
  readonly work = new AbortController();
  /** What our nodes sent last, each: kept to send it when a deploy is over, and for a build whose message is lost. */
  readonly inFlight = new Map<string, { port: number; message: Message }>();
  /** Our nodes whose message in flight could not be delivered, since a deploy was on or took them out. */
  readonly undelivered = new Set<string>();
  /** Nodes at which the build's branches are gathered or were acted on. */
  readonly gathered = new Map<string, Gathering>();
  env: Record<string, string>;
  steps: StepRecord[] = [];
  /** Inline comments for the review, from users' own nodes. */
  readonly comments = noComments();
  result: Result | undefined;
  log: BuildLog | undefined;
  endedAt: Date | undefined;
  /** Its end, from when that was begun: all that it held is given back, its log is closed. */
  ending: Promise<void> | undefined;
  /** Whether its end is over. */
  over = false;
  /** Whether a newer run of its job took its place: it is not reported. */
  superseded = false;
  /** Whether the engine gave it to us; before that it waits in the queue. */
  begun = false;
  /** Whether its message was looked for in vain. */
  lost = false;
  /** publish-logs and gerrit-review nodes that its lane reached when it started. */
  targets: { key: string; type: string }[] = [];
  readonly #views = new Set<string>();

  constructor(id: string, attempt: number, set: BuildSet, index: number, spec: JobSpec) {
    this.id = id;
    this.attempt = attempt;
    this.set = set;
    this.index = index;
    this.spec = spec;
    this.env = { ...spec.env };
    this.clock = new JobClock(spec.timeout, () => {
      for (const step of this.running) if (step.timed) step.controller.abort(this.timeUp);
    });
  }

  get change(): ChangeInfo {
    return this.set.request.change;
  }

  /** What people call it on a node: `1234,2`, or the ref. */
  get label(): string {
    const { number, patchset, ref, project } = this.change;
    return number === undefined ? (ref ?? project) : `${number},${patchset ?? '?'}`;
  }

  /** A fresh copy for a message. */
  view(): BuildView {
    const view: BuildView = {
      id: this.id,
      attempt: this.attempt,
      set: { id: this.set.id, index: this.index, count: this.set.count },
      pipeline: this.set.request.pipeline,
      job: this.spec.name,
      voting: this.spec.voting,
      ...(this.result === undefined ? {} : { result: this.result }),
      env: { ...this.env },
      guests: this.resources.guestViews(),
      steps: this.steps.map((step) => ({ ...step })),
      ...(this.log ? { logUrl: this.log.url } : {}),
      startedAt: this.startedAt.toISOString(),
    };
    this.#remember(view);
    return view;
  }

  /** What the build's page shows. */
  page(): BuildPage {
    const { request } = this.set;
    const { guests, manualCommands } = this.resources.story();
    return {
      build: { ...this.view(), guests, result: this.endedAt ? (this.result ?? 'SUCCESS') : this.result },
      change: this.change,
      ...(this.endedAt ? { endedAt: this.endedAt.toISOString() } : {}),
      reason: request.trigger.reason,
      running: [...this.running].map((step) => step.name).join(', ') || undefined,
      recheck: request.recheck,
      manualCommands,
    };
  }

  /** The first result that is not SUCCESS wins. */
  settle(result: Result): void {
    if (result !== 'SUCCESS') this.result ??= result;
  }

  /** Why its scripts are stopped, once the patch's time is up. */
  get timeUp(): CiError | undefined {
    return this.clock.isUp ? jobTimeUp(Number((this.spec.timeout / 60_000).toFixed(2))) : undefined;
  }

  get aborted(): boolean {
    return this.work.signal.aborted;
  }

  /** Ends its running steps that are not run always. The result is the reason's. */
  abort(reason: CiError): void {
    this.settle(reason.result);
    this.say(reason.message);
    this.work.abort(reason);
  }

  /**
   * Takes what users' own nodes put on the message: variables and a result. Gives what was wrong with it.
   *
   * @param sender name of the node that sent it
   */
  take(message: Message, sender: string): CiError[] {
    const wrong: CiError[] = [];
    if (isRecord(message.env)) {
      for (const [name, value] of Object.entries(message.env)) {
        if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && ['string', 'number', 'boolean'].includes(typeof value)) {
          this.env[name] = String(value);
        } else {
          wrong.push(badVariable(name));
        }
      }
    }
    if (message.result !== undefined && message.result !== null) {
      const result = USER_RESULTS.find((each) => each === message.result);
      // The page is final, and the review must not say otherwise.
      if (this.endedAt) wrong.push(resultTooLate(String(message.result).slice(0, 100)));
      else if (result) this.settle(result);
      else wrong.push(badResult(String(message.result).slice(0, 100), USER_RESULTS));
    }
    const left = addComments(this.comments, message['comments']);
    if (left > 0) wrong.push(badComments(left));
    delete message.env;
    delete message.result;
    delete message['comments'];
    if (message.build !== undefined && !this.#views.has(fingerprint(message.build))) {
      wrong.push(editedByHand(sender));
    }
    return wrong;
  }

  /** A line of our own in its console. */
  say(text: string): void {
    this.log?.console.line(text);
  }

  #remember(view: BuildView): void {
    this.#views.add(fingerprint(view));
    if (this.#views.size > VIEWS_KEPT) this.#views.delete(this.#views.values().next().value!);
  }
}

const fingerprint = (view: unknown): string =>
  createHash('sha1')
    .update(JSON.stringify(view) ?? '')
    .digest('base64');
