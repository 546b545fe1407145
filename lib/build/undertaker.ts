import type { Engine } from '../engine/types.ts';
import { toCiError } from '../errors/ci-error.ts';
import type { Result } from '../model/result.ts';
import type { Build } from './build.ts';
import type { ReportEntry } from './poster.ts';
import type { RunData } from './supervisor.ts';
import type { Outlet } from './types.ts';

/** Seconds for which a build is ours without a sign of life. */
export const LEASE_SECONDS = 60;

/** Milliseconds after which what could not be removed is tried again. */
const RETRIES = [5_000, 30_000, 300_000];

/** Ends builds: gives back what they held, closes their logs, tells the engine. */
export class Undertaker {
  readonly #engine: Engine<RunData, ReportEntry>;
  readonly #outlet: Outlet;

  constructor(engine: Engine<RunData, ReportEntry>, outlet: Outlet) {
    this.#engine = engine;
    this.#outlet = outlet;
  }

  async bury(build: Build, result: Result): Promise<void> {
    await this.release(build);
    try {
      await build.log?.finish(build.page());
    } catch (error) {
      this.#warn(build, toCiError(error, 'the build’s log').message);
    }
    await this.#engine.finish(build, result, []);
  }

  /** Gives back what the build holds; what stays is said and tried again. */
  async release(build: Build, tries = 0): Promise<void> {
    const faults = await build.lease.release(async (guest, console) => {
      // One that nobody reads would keep its file open.
      if (build.log) await build.log.addFile(`consoles/${guest}.log`, console);
      else console.destroy();
    });
    for (const fault of faults) {
      build.say(fault.message);
      this.#warn(build, fault.message);
    }
    const delay = RETRIES[tries];
    if (faults.length > 0 && delay !== undefined) {
      setTimeout(() => void this.release(build, tries + 1), delay).unref();
    }
  }

  #warn(build: Build, message: string): void {
    this.#outlet.observe({ kind: 'warning', label: build.label, node: build.set.request.node, message });
  }
}
