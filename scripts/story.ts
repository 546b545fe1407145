/** Prints what the sandbox's builds do: one line per job, and the review. */
import type { BuildEvent } from '../lib/builds/types.ts';
import { formatDuration, formatZuulDuration } from '../lib/util/format.ts';

const VERBS: Record<string, string> = { 'clone-image': 'cloned', 'virsh-boot': 'booted' };
/** Steps that are not printed. */
const QUIET = new Set(['metadata-server', 'publish-logs']);

/** Prints the builds of a Node-RED from its events. */
export class Story {
  readonly #say: (line: string) => void;
  /** Patchsets whose review was printed, such as `1,1`. */
  readonly reported = new Set<string>();
  readonly #announced = new Set<string>();
  /** Running builds by buildset, and the reports that wait for them. */
  readonly #running = new Map<string, Set<string>>();
  readonly #held = new Map<string, BuildEvent & { kind: 'report' }>();
  readonly #page: (change: number) => string;

  constructor(say: (line: string) => void, page: (change: number) => string) {
    this.#say = say;
    this.#page = page;
  }

  /** Prints an event, or keeps it until its turn. */
  take(event: BuildEvent): void {
    const { build, change } = event;
    if (event.kind === 'build-started' && build && change && !this.#announced.has(build.set.id)) {
      this.#announced.add(build.set.id);
      const where = change.number === undefined ? change.ref : `change ${change.number}, patchset ${change.patchset}`;
      this.#say(`\n${where} on ${change.project}: "${change.subject ?? ''}"`);
    }
    if (event.kind === 'build-started' && build) {
      const { id } = build.set;
      this.#running.set(id, (this.#running.get(id) ?? new Set()).add(build.id));
    }
    if (event.kind === 'build-ended' && build) {
      const steps = build.steps
        .filter((step) => !QUIET.has(step.type))
        .map((step) => `${VERBS[step.type] ?? step.name} ${formatDuration(step.duration)}`);
      this.#say(
        `  ${build.job.padEnd(7)} ${[...steps, `${event.result} in ${formatZuulDuration(event.duration)}`].join(' · ')}`,
      );
    }
    if (event.kind === 'build-ended' && build) this.#ended(build.set.id, build.id);
    if (event.kind === 'warning') this.#say(`  ! ${event.message}`);
    if (event.kind === 'report') {
      // A review is often posted before the last guest is gone. It is printed after its jobs.
      if (this.#running.has(event.set)) this.#held.set(event.set, event);
      else this.#report(event);
    }
  }

  #ended(set: string, build: string): void {
    const running = this.#running.get(set);
    if (!running?.delete(build) || running.size > 0) return;
    this.#running.delete(set);
    const report = this.#held.get(set);
    this.#held.delete(set);
    if (report) this.#report(report);
  }

  #report(event: BuildEvent & { kind: 'report' }): void {
    const { state } = event;
    const first = ('message' in state ? state.message : '').split('\n', 1)[0] ?? '';
    const page = this.#page(Number.parseInt(event.label, 10));
    if (state.state === 'posted') {
      this.reported.add(event.label);
      this.#say(`review posted: ${state.vote ?? 'no vote'}     ${page}`);
      this.#say(first);
      for (const warning of state.warnings) this.#say(`  ! ${warning}`);
    } else if (state.state === 'failed' || state.state === 'waiting') {
      this.#say(`  ! review of ${event.label}: ${first}`);
    }
  }
}
