import { createHash } from 'node:crypto';
import { badResult, badVariable, editedByHand, jobTimeUp, resultTooLate } from '../errors/build.ts';
import { badComments } from '../errors/build-report.ts';
import type { CiError } from '../errors/ci-error.ts';
import type { BuildLog } from '../logs/build-log.ts';
import type { BuildPage } from '../logs/types.ts';
import type { BuildView, StepRecord } from '../model/build.ts';
import type { ChangeInfo } from '../model/change.ts';
import { type Result, USER_RESULTS } from '../model/result.ts';
import { roundMinutes } from '../util/format.ts';
import { isRecord } from '../util/is-record.ts';
import type { BuildSet } from './buildset.ts';
import { MessageTracker } from './flow/tracker.ts';
import { JobClock } from './job-clock.ts';
import { addComments, noComments } from './report/comments.ts';
import { BuildResources } from './resources.ts';
import type { JobSpec, Message } from './types.ts';

/** A step that is running. */
export interface RunningStep {
  node: string;
  name: string;
  /** Whether it counts against the job's time limit. */
  timed: boolean;
  controller: AbortController;
  /** Resolves when the step has ended. */
  over: Promise<void>;
}

/** The arrival of a build's branches at the node where they meet. */
export interface BranchJoin {
  arrived: number;
  state: 'waiting' | 'acting' | 'done';
  message: Message;
}

/** Views sent that are remembered, to detect a change that a user's node made to one. */
const MAX_VIEWS_COUNT = 256;

/** One build: the supervisor's record. `msg.build` is only a copy of it. */
export class Build {
  readonly id: string;
  readonly attempt: number;
  readonly set: BuildSet<Build>;
  readonly index: number;
  readonly spec: JobSpec;
  readonly startedAt = new Date();
  readonly tracker = new MessageTracker();
  readonly resources = new BuildResources();
  readonly running = new Set<RunningStep>();
  /** Measures the time that the job's scripts take. */
  readonly clock: JobClock;
  /** Aborts with the build; steps that always run have their own signal instead. */
  readonly work = new AbortController();
  /** The last message that each of our nodes sent: sent again after a deploy, or if the build's message is lost. */
  readonly inFlight = new Map<string, { port: number; message: Message }>();
  /** Our nodes whose last message could not be sent, because of a deploy. */
  readonly undelivered = new Set<string>();
  /** The nodes where the build's branches meet, or have met. */
  readonly joins = new Map<string, BranchJoin>();
  env: Record<string, string>;
  steps: StepRecord[] = [];
  /** Inline comments for the review, from users' nodes. */
  readonly comments = noComments();
  result: Result | undefined;
  log: BuildLog | undefined;
  endedAt: Date | undefined;
  /** Set once it is being ended: its resources are released and its log is closed. */
  ending: Promise<void> | undefined;
  /** Whether its resources were released and its log is closed. */
  isFinished = false;
  /** Whether a newer build of its job superseded it: then it is not reported. */
  isSuperseded = false;
  /** Whether it has begun to open its log and send its first message. */
  isStarted = false;
  /** Whether its message was lost and could not be recovered. */
  isLost = false;
  /** publish-logs and gerrit-review nodes that its lane led to when it started. */
  targets: { key: string; type: string }[] = [];
  readonly #views = new Set<string>();

  constructor(id: string, attempt: number, set: BuildSet<Build>, index: number, spec: JobSpec) {
    this.id = id;
    this.attempt = attempt;
    this.set = set;
    this.index = index;
    this.spec = spec;
    this.env = { ...spec.env };
    this.clock = new JobClock(spec.timeout, () => {
      for (const step of this.running) if (step.timed) step.controller.abort(this.timeoutError);
    });
  }

  get change(): ChangeInfo {
    return this.set.request.change;
  }

  /** Name shown on nodes and in messages: `1234,2`, or the ref. */
  get label(): string {
    const { number, patchset, ref, project } = this.change;
    return number === undefined ? (ref ?? project) : `${number},${patchset ?? '?'}`;
  }

  /** Returns a fresh copy of the record, for a message. */
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

  /** Returns what the build's page shows. */
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

  /** Records a result: the first that is not SUCCESS wins. */
  recordResult(result: Result): void {
    if (result !== 'SUCCESS') this.result ??= result;
  }

  /** Why its scripts are stopped; undefined until the job exceeds its time limit. */
  get timeoutError(): CiError | undefined {
    return this.clock.isExpired ? jobTimeUp(roundMinutes(this.spec.timeout)) : undefined;
  }

  get isAborted(): boolean {
    return this.work.signal.aborted;
  }

  /** Aborts the build with the reason's result. Steps that always run are not stopped. */
  abort(reason: CiError): void {
    this.recordResult(reason.result);
    this.say(reason.message);
    this.work.abort(reason);
  }

  /**
   * Applies and removes what users' nodes put on a message: `env`, `result` and `comments`.
   *
   * @param sender name of the node that sent it, for errors
   * @returns an error for each value that is ignored, and one if `build` was changed
   */
  applyUserProperties(message: Message, sender: string): CiError[] {
    const errors: CiError[] = [];
    if (isRecord(message.env)) {
      for (const [name, value] of Object.entries(message.env)) {
        if (/^[A-Za-z_][A-Za-z0-9_]*$/.test(name) && ['string', 'number', 'boolean'].includes(typeof value)) {
          this.env[name] = String(value);
        } else {
          errors.push(badVariable(name));
        }
      }
    }
    if (message.result !== undefined && message.result !== null) {
      const result = USER_RESULTS.find((each) => each === message.result);
      // The build's page is final: the review must agree with it.
      if (this.endedAt) errors.push(resultTooLate(String(message.result).slice(0, 100)));
      else if (result) this.recordResult(result);
      else errors.push(badResult(String(message.result).slice(0, 100), USER_RESULTS));
    }
    const dropped = addComments(this.comments, message['comments']);
    if (dropped > 0) errors.push(badComments(dropped));
    delete message.env;
    delete message.result;
    delete message['comments'];
    if (message.build !== undefined && !this.#views.has(fingerprint(message.build))) {
      errors.push(editedByHand(sender));
    }
    return errors;
  }

  /** Writes a line of Recheck's own to the build's console. */
  say(text: string): void {
    this.log?.console.line(text);
  }

  #remember(view: BuildView): void {
    this.#views.add(fingerprint(view));
    if (this.#views.size > MAX_VIEWS_COUNT) this.#views.delete(this.#views.values().next().value!);
  }
}

const fingerprint = (view: unknown): string =>
  createHash('sha1')
    .update(JSON.stringify(view) ?? '')
    .digest('base64');
