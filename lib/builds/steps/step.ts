import { type CiError, toCiError } from '../../errors/ci-error.ts';
import type { StepRecord } from '../../model/build.ts';
import type { Build, RunningStep } from '../build.ts';
import type { Flow, StepOutcome } from '../types.ts';
import { workerFault } from './worker-faults.ts';

/** Which builds a step is for. */
export type When = 'passing' | 'always' | 'failure';

/** What a step's node says of itself. */
export interface StepSpec {
  /** Key of the node. */
  node: string;
  type: string;
  /** Name shown on the page; the node's name in the flow where missing. */
  name: string;
  when: When;
  /** Whether it is the patch's own time: such a step can be TIMED_OUT. */
  timed: boolean;
  guest?: string;
}

/** What a step's work gets. */
export interface StepContext {
  build: Build;
  signal: AbortSignal;
  /** Says on the node what happens now: a status key and its values. */
  progress(what: string, values?: Record<string, string | number>): void;
  /** Says in the build's console, on the node and in Node-RED's log what a person should know, though the step goes on. */
  warn?(message: string): void;
}

/** Lines of a failed step that its record keeps. */
const TAIL = 20;

export type StepWork = (context: StepContext) => Promise<StepOutcome>;

/** Whether a step runs, by the build's result so far. */
export function runs(when: When, failed: boolean): boolean {
  return when === 'always' || (when === 'failure') === failed;
}

/** Runs one step of a build and keeps its record. A fault of the infrastructure comes back beside the outcome. */
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
  const whose = { label: build.label, id: build.id, jobs: build.set.request.node, node: spec.node };
  const line = (build.log?.console.lines ?? 0) + 1;
  build.running.add(running);
  build.say(`=== ${spec.name}`);
  build.log?.update(build.page());
  flow.observe({ kind: 'step-started', ...whose, at: started });
  let outcome: StepOutcome;
  let fault: CiError | undefined;
  try {
    if (!spec.timed) build.clock.pause();
    else if (build.timeUp) throw build.timeUp;
    else build.clock.start();
    signal.throwIfAborted();
    outcome = await work({
      build,
      signal,
      progress: (what, values) =>
        flow.observe({ kind: 'step-progress', ...whose, what, ...(values ? { values } : {}) }),
      warn(message) {
        build.say(message);
        flow.observe({ kind: 'warning', label: build.label, node: spec.node, message });
      },
    });
    if (outcome.message !== undefined) build.say(outcome.message);
  } catch (error) {
    // An aborted wait may surface as any error: the reason is what counts.
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
      : { tail: build.log.console.tail(Math.min(TAIL, build.log.console.lines - line + 1)) }),
  };
  // What a late branch did changes nothing.
  if (!build.endedAt) {
    build.steps.push(record);
    build.settle(outcome.result);
  }
  build.say(`=== ${spec.name}: ${outcome.result} in ${(record.duration / 1000).toFixed(1)} s`);
  build.log?.update(build.page());
  flow.observe({
    kind: 'step-ended',
    ...whose,
    result: outcome.result,
    duration: record.duration,
    ...(outcome.message === undefined ? {} : { message: outcome.message }),
  });
  return fault ? { outcome, fault } : { outcome };
}
