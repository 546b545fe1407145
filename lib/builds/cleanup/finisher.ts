import { setTimeout as sleep } from 'node:timers/promises';
import { buildOver } from '../../errors/build.ts';
import { type CiError, toCiError } from '../../errors/ci-error.ts';
import type { Build } from '../build.ts';
import type { Flow } from '../types.ts';
import type { CleanupQueue } from './queue.ts';

/** Milliseconds that steps may take to stop when their build ends: a script's end on its target has 15 s. */
const STOP_LIMIT = 30_000;

/** Ends builds: gives back what they held, closes their logs. */
export class BuildFinisher {
  readonly #flow: Flow;
  readonly #cleanupQueue: CleanupQueue;

  constructor(flow: Flow, cleanupQueue: CleanupQueue) {
    this.#flow = flow;
    this.#cleanupQueue = cleanupQueue;
  }

  /** Ends a build for good: its steps are stopped, then all that it holds is given back. */
  async finish(build: Build): Promise<void> {
    build.endedAt = new Date();
    build.clock.stop();
    await this.#stopSteps(build);
    await this.#release(build);
    await this.#closeLog(build);
    build.over = true;
  }

  /** A build whose logs nobody can read has no vote, whatever its scripts said. */
  async #closeLog(build: Build): Promise<void> {
    const said = new Set<string>();
    const fail = (error: unknown): void => {
      const { result, message } = toCiError(error, 'the build’s log');
      build.settle(result);
      if (!said.has(message)) this.#warn(build, message);
      said.add(message);
    };
    // Before its last page is written, which tells the result.
    await build.log?.console.saved().catch(fail);
    await build.log?.finish(build.page()).catch(fail);
  }

  /** A step of a late branch must not take what nobody would give back. */
  async #stopSteps({ running, label }: Build): Promise<void> {
    if (running.size === 0) return;
    for (const step of running) step.controller.abort(buildOver(label));
    const limit = new AbortController();
    const late = sleep(STOP_LIMIT, undefined, { signal: limit.signal, ref: false }).catch(() => undefined);
    await Promise.race([Promise.all([...running].map((step) => step.over)), late]);
    limit.abort();
  }

  /** Gives back what the build holds; what stays is said, once, and tried again until it is gone. */
  async #release(build: Build): Promise<void> {
    const faults = await giveBack(build);
    if (faults.length === 0) return;
    const again = async () => (await giveBack(build)).length === 0;
    const kept = this.#cleanupQueue.keep(`build ${build.id} ${build.attempt}`, again);
    const next = kept ? 'It is tried again.' : 'It is left there: remove it by hand.';
    for (const { message } of faults) {
      build.say(`${message} ${next}`);
      this.#warn(build, `${message} ${next}`);
    }
  }

  #warn(build: Build, message: string): void {
    this.#flow.observe({ kind: 'warning', label: build.label, node: build.set.request.node, message });
  }
}

/** Gives what could not be given back; that stays noted in the build's resources. */
const giveBack = ({ resources, log }: Build): Promise<CiError[]> =>
  resources.release(async (guest, console) => {
    // One that nobody reads would keep its file open.
    if (log) await log.addFile(`consoles/${guest}.log`, console);
    else console.destroy();
  });
