/** Where the fault tests run: a real Node-RED, whose worker is reached as root by a real sshd, and what each build must end as. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach } from 'node:test';
import type { BuildEvent } from '../../lib/builds/types.ts';
import type { Result } from '../../lib/model/result.ts';
import { assertWords, faults, handMade } from '../support/build-runs.ts';
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts';
import { type FlowConfig, startRed, type TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';
import {
  guestLane,
  type LaneSettings,
  newPlace,
  type Outcome,
  runBuild,
  sshHost,
  tinyImage,
  workerHost,
} from './flow.ts';
import { inventory } from './support.ts';

/** Milliseconds that a tiny guest has, on a machine that others use too. */
const BOOT = 180_000;

/** What a build must end as. */
export interface Expected {
  result: Result;
  /** What the comment would vote; nothing where that is missing. */
  vote?: number;
  /** The sentence of the step that failed. */
  says?: RegExp;
  /** The node whose step it was, by its name or type. */
  at?: string;
}

/** When a build's script has said `now it runs`. */
export const scriptRuns = (_events: BuildEvent[], console: string): boolean => console.includes('now it runs');

/** When a step does what its status says: `booting`, `login`, `waiting`. */
export const at =
  (what: string) =>
  (events: BuildEvent[]): boolean =>
    events.some((event) => event.kind === 'step-progress' && event.what === what);

/** A Node-RED, a worker and the tiny guest's image on it. */
export class Lab {
  red!: TestRed;
  sshd!: OpenSsh;
  place!: string;
  #before!: ReturnType<typeof inventory>;

  /**
   * Opens it for the tests of the file, and checks after each that nothing is left behind.
   *
   * @param prepare what comes before the first test, once it is open
   */
  static forFile(prepare?: () => Promise<void>): Lab {
    const lab = new Lab();
    before(async () => {
      lab.sshd = await startOpenSsh();
      lab.red = await startRed();
      lab.place = newPlace();
      await lab.deploy({});
      await prepare?.();
    });
    after(async () => {
      await lab.red.close();
      await lab.sshd.remove();
    });
    beforeEach(() => {
      lab.#before = lab.seen();
    });
    afterEach(() => lab.nothingLeft());
    return lab;
  }

  /** Configuration nodes: the worker, reached by SSH, and the tiny guest's image. */
  nodes(worker: Record<string, unknown> = {}): FlowConfig[] {
    return [sshHost(this.sshd), workerHost({ host: 'ssh-host1', path: this.place, ...worker }), tinyImage()];
  }

  /**
   * Deploys a lane on the worker.
   *
   * @param changes settings of single nodes, by their id
   */
  deploy(lane: LaneSettings, changes: Record<string, object> = {}): Promise<void> {
    // Without its trace, what a script says stands in the console once.
    const exec = { interpreter: '/bin/bash -e', ...lane.exec };
    const nodes = guestLane({ nodes: this.nodes(), ...lane, exec });
    return this.red.deploy(nodes.map((node) => ({ ...node, ...changes[node.id] })));
  }

  /** Deploys a lane and runs one build in it. */
  async run(lane: LaneSettings, changes?: Record<string, object>): Promise<Outcome> {
    await this.deploy(lane, changes);
    return runBuild(this.red, handMade(), 3 * BOOT);
  }

  /** Runs a build in a lane, and does something to it as soon as `when` gives something. */
  async strike(
    lane: LaneSettings,
    { when, blow }: { when: (events: BuildEvent[], console: string) => unknown; blow: () => unknown },
    changes?: Record<string, object>,
  ): Promise<Outcome> {
    await this.deploy(lane, changes);
    const from = this.red.events.length;
    const ending = runBuild(this.red, handMade(), 3 * BOOT);
    const console = () => this.red.runtime().supervisor.active()[0]?.log?.console.tail(5).join('\n') ?? '';
    let isOver = false;
    const note = () => {
      isOver = true;
    };
    ending.then(note, note);
    const struck = (async () => {
      await waitFor('the moment to strike', () => isOver || when(this.red.events.slice(from), console()), 2 * BOOT);
      // The next test's build is not to be struck.
      if (!isOver) await blow();
    })();
    const [outcome] = await Promise.race([Promise.all([ending, struck]), ending.then(() => [])]);
    return outcome ?? assert.fail(`the build ended before: ${JSON.stringify((await ending).build)}`);
  }

  /** Deletes the one clone that is there, as a person might. */
  deleteClone(): void {
    const clones = readdirSync(this.place).filter((name) => name.startsWith('recheck-'));
    assert.equal(clones.length, 1, 'one clone is there');
    execFileSync('btrfs', ['subvolume', 'delete', join(this.place, clones[0]!)], { stdio: 'ignore' });
  }

  /** What is on the worker, but images that were asked for and are to stay. */
  seen(): Record<string, string[]> {
    const now = inventory();
    // What came of a download that broke off is kept beside the images: it is gone on with.
    now['subvolumes'] = now['subvolumes']!.filter((path) => !/@/.test(path) || path.includes('/.made@'));
    now['clones'] = readdirSync(this.place, { recursive: true, encoding: 'utf8' }).filter((path) =>
      /recheck-/.test(path),
    );
    return now;
  }

  /** Waits for what is tried again after a fault, and checks that nothing is left. */
  async nothingLeft(limit = 10_000): Promise<void> {
    const same = () => JSON.stringify(this.seen()) === JSON.stringify(this.#before);
    await waitFor('nothing is left', same, limit).catch(() => {});
    assert.deepEqual(this.seen(), this.#before, 'nothing is left behind');
  }
}

/** Checks a build's result and vote, and that whoever looks at it, anywhere, reads the sentence. */
export function assertEnd(red: TestRed, outcome: Outcome, { result, vote, says, at }: Expected): void {
  const story = `${outcome.fault?.name}: ${outcome.fault?.message}\n${outcome.console.slice(-2000)}`;
  assert.equal(outcome.result, result, story);
  assert.deepEqual(outcome.labels, vote === undefined ? {} : { Verified: vote }, 'the vote');
  assert.match(outcome.review, new RegExp(`: ${result} in `), 'the comment says it');
  if (at !== undefined) assert.equal(outcome.fault?.name, at, story);
  if (says === undefined) return;
  assert.match(outcome.fault?.message ?? '', says);
  assert.match(outcome.console, says, 'the sentence stands in the console');
  // A fault of the infrastructure is for Catch nodes too; the patch's own is not.
  if (result === 'NODE_FAILURE' || result === 'DISK_FULL') assert.match(faults(red).at(-1) ?? '', says);
  assertWords(red);
}
