import { setTimeout as sleep } from 'node:timers/promises';
import { buildOver } from '../../errors/build.ts';
import { type CiError, toCiError } from '../../errors/ci-error.ts';
import type { Build } from '../build.ts';
import type { Flow } from '../types.ts';
import type { CleanupQueue } from './queue.ts';

/** Time for steps to stop when their build ends; ending a script on its target takes up to 15 s of it. */
const STOP_STEPS_TIMEOUT_MS = 30_000;

/** Ends builds: releases their resources and closes their logs. */
export class BuildFinisher {
  readonly #flow: Flow;
  readonly #cleanupQueue: CleanupQueue;

  constructor(flow: Flow, cleanupQueue: CleanupQueue) {
    this.#flow = flow;
    this.#cleanupQueue = cleanupQueue;
  }

  /** Ends a build: stops its steps, releases its resources, closes its log. */
  async finish(build: Build): Promise<void> {
    build.endedAt = new Date();
    build.clock.stop();
    await this.#stopSteps(build);
    await this.#release(build);
    await this.#closeLog(build);
    build.isFinished = true;
  }

  /** Closes the log. If that fails, the build does not vote: its logs are incomplete. */
  async #closeLog(build: Build): Promise<void> {
    const warned = new Set<string>();
    const fail = (error: unknown): void => {
      const { result, message } = toCiError(error, 'the build’s log');
      build.recordResult(result);
      if (!warned.has(message)) this.#warn(build, message);
      warned.add(message);
    };
    // The console comes first: the page shows the result, which a failure changes.
    await build.log?.console.saved().catch(fail);
    await build.log?.finish(build.page()).catch(fail);
  }

  /** Stops the steps of branches that still run: what they would acquire now would never be released. */
  async #stopSteps({ running, label }: Build): Promise<void> {
    if (running.size === 0) return;
    for (const step of running) step.controller.abort(buildOver(label));
    const limit = new AbortController();
    const late = sleep(STOP_STEPS_TIMEOUT_MS, undefined, { signal: limit.signal, ref: false }).catch(() => undefined);
    await Promise.race([Promise.all([...running].map((step) => step.over)), late]);
    limit.abort();
  }

  /** Releases the build's resources. What cannot be removed is reported once and retried until it is gone. */
  async #release(build: Build): Promise<void> {
    const faults = await releaseResources(build);
    if (faults.length === 0) return;
    const retry = async () => (await releaseResources(build)).length === 0;
    const isQueued = this.#cleanupQueue.keep(`build ${build.id} ${build.attempt}`, retry);
    const next = isQueued ? 'Recheck will keep trying.' : 'Remove it manually.';
    for (const { message } of faults) {
      build.say(`${message} ${next}`);
      this.#warn(build, `${message} ${next}`);
    }
  }

  #warn(build: Build, message: string): void {
    this.#flow.emit({ kind: 'warning', label: build.label, node: build.set.request.node, message });
  }
}

/** Releases the build's resources. @returns an error for each that could not be; those remain in `resources` */
const releaseResources = ({ resources, log }: Build): Promise<CiError[]> =>
  resources.release(async (guest, console) => {
    // A stream that is not read would keep its file open.
    if (log) await log.addFile(`consoles/${guest}.log`, console);
    else console.destroy();
  });
