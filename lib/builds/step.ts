import { type CiError, toCiError } from '../errors/ci-error.ts';
import type { StepRecord } from '../model/build.ts';
import { formatSeconds } from '../util/format.ts';
import type { Build, RunningStep } from './build.ts';
import type { Flow, StepOutcome } from './types.ts';
import { workerFault } from './worker-faults.ts';

/** When a step runs: while the build passes, always, or only if it has failed. */
export type When = 'passing' | 'always' | 'failure';

/** A step, as its node describes it. */
export interface StepSpec {
  /** Key of the node. */
  node: string;
  type: string;
  /** Name shown on the build's page and in its console. */
  name: string;
  when: When;
  /** Whether it counts against the job's time limit, so that it can be TIMED_OUT. */
  timed: boolean;
  guest?: string;
}

/** What a step's work can use. */
export interface StepContext {
  build: Build;
  signal: AbortSignal;
  /** Shows progress on the node: a status key and its values. */
  progress(what: string, values?: Record<string, string | number>): void;
  /** Warns in the build's console, on the node and in Node-RED's log; the step goes on. */
  warn?(message: string): void;
}

/** Lines of a failed step's output that its record keeps. */
const MAX_TAIL_LINES_COUNT = 20;

/** Does the work of a step; returns its outcome, or throws if the infrastructure fails. */
export type StepWork = (context: StepContext) => Promise<StepOutcome>;

/** Returns whether a step runs. @param failed whether the build has a result other than SUCCESS */
export function shouldRun(when: When, failed: boolean): boolean {
  return when === 'always' || (when === 'failure') === failed;
}

/**
 * Runs one step of a build and records it.
 *
 * @returns the outcome and, if the infrastructure failed, the error
 */
export async function runStep(
  build: Build,
  spec: StepSpec,
  flow: Flow,
  work: StepWork,
): Promise<{ outcome: StepOutcome; fault?: CiError }> {
  const controller = new AbortController();
  const { promise: over, resolve: ended } = Promise.withResolvers<void>();
  const running: RunningStep = { node: spec.node, name: spec.name, timed: spec.timed, controller, over };
  const signal = spec.when === 'passing' ? AbortSignal.any([controller.signal, build.work.signal]) : controller.signal;
  const started = Date.now();
  const subject = { label: build.label, id: build.id, jobs: build.set.request.node, node: spec.node };
  const line = (build.log?.console.lines ?? 0) + 1;
  build.running.add(running);
  build.say(`=== ${spec.name}`);
  build.log?.update(build.page());
  flow.emit({ kind: 'step-started', ...subject, at: started });
  let outcome: StepOutcome;
  let fault: CiError | undefined;
  try {
    if (!spec.timed) build.clock.pause();
    else if (build.timeoutError) throw build.timeoutError;
    else build.clock.start();
    signal.throwIfAborted();
    outcome = await work({
      build,
      signal,
      progress: (what, values) => flow.emit({ kind: 'step-progress', ...subject, what, ...(values ? { values } : {}) }),
      warn(message) {
        build.say(message);
        flow.emit({ kind: 'warning', label: build.label, node: spec.node, message });
      },
    });
    if (outcome.message !== undefined) build.say(outcome.message);
  } catch (error) {
    // Aborted work may fail with any error: only the abort reason counts.
    const cause = signal.aborted ? signal.reason : error;
    let known = toCiError(cause, spec.name);
    if (!signal.aborted) fault = known;
    else if (known.result === 'TIMED_OUT') {
      fault = await workerFault(build);
      known = fault ?? known;
    }
    outcome = { result: known.result, message: known.message };
    build.say(known.message);
  } finally {
    build.running.delete(running);
    if (!spec.timed) build.clock.resume();
    ended();
  }
  const record: StepRecord = {
    node: spec.node,
    name: spec.name,
    type: spec.type,
    ...(spec.guest ? { guest: spec.guest } : {}),
    result: outcome.result,
    startedAt: new Date(started).toISOString(),
    duration: Date.now() - started,
    ...(outcome.exitCode === undefined ? {} : { exitCode: outcome.exitCode }),
    ...(outcome.signal === undefined ? {} : { signal: outcome.signal }),
    ...(outcome.message === undefined ? {} : { message: outcome.message }),
    line,
    ...(outcome.result === 'SUCCESS' || !build.log
      ? {}
      : { tail: build.log.console.tail(Math.min(MAX_TAIL_LINES_COUNT, build.log.console.lines - line + 1)) }),
  };
  // A branch that ends after its build changes nothing.
  if (!build.endedAt) {
    build.steps.push(record);
    build.recordResult(outcome.result);
  }
  build.say(`=== ${spec.name}: ${outcome.result} in ${formatSeconds(record.duration)}`);
  build.log?.update(build.page());
  flow.emit({
    kind: 'step-ended',
    ...subject,
    result: outcome.result,
    duration: record.duration,
    ...(outcome.message === undefined ? {} : { message: outcome.message }),
  });
  return fault ? { outcome, fault } : { outcome };
}
