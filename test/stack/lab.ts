/** Setup and checks for the fault tests: a real Node-RED, and a worker reached as root through a real sshd. */
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach } from 'node:test';
import type { BuildEvent } from '../../lib/builds/types.ts';
import type { Result } from '../../lib/model/result.ts';
import { assertStatusTexts, faults, handMade } from '../support/build-runs.ts';
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts';
import { type FlowConfig, startRed, type TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';
import {
  guestLane,
  type LaneSettings,
  newStorageFolder,
  type Outcome,
  runBuild,
  sshHost,
  tinyImage,
  workerHost,
} from './flow.ts';
import { inventory } from './support.ts';

/** Timeout for a tiny guest's boot, on a machine that may be busy. */
const BOOT_TIMEOUT_MS = 180_000;

/** The outcome that a test expects of a build. */
export interface Expected {
  result: Result;
  /** The vote in the review; no vote if undefined. */
  vote?: number;
  /** The message of the step that failed. */
  says?: RegExp;
  /** The node that failed, by name or type. */
  at?: string;
}

/** Tells whether a build's script has printed `now it runs`. */
export const scriptRuns = (_events: BuildEvent[], console: string): boolean => console.includes('now it runs');

/** Returns a check for a step that has reached a phase, such as `booting`, `login` or `waiting`. */
export const at =
  (what: string) =>
  (events: BuildEvent[]): boolean =>
    events.some((event) => event.kind === 'step-progress' && event.what === what);

/** A Node-RED, a worker and an image of the tiny guest. */
export class Lab {
  red!: TestRed;
  sshd!: OpenSsh;
  place!: string;
  #before!: ReturnType<typeof inventory>;

  /**
   * Starts a lab for the tests of a file, and checks after each test that nothing is left behind.
   *
   * @param prepare runs once the lab is up, before the first test
   */
  static forFile(prepare?: () => Promise<void>): Lab {
    const lab = new Lab();
    before(async () => {
      lab.sshd = await startOpenSsh();
      lab.red = await startRed();
      lab.place = newStorageFolder();
      await lab.deploy({});
      await prepare?.();
    });
    after(async () => {
      await lab.red.close();
      await lab.sshd.remove();
    });
    beforeEach(() => {
      lab.#before = lab.takeInventory();
    });
    afterEach(() => lab.assertNothingLeft());
    return lab;
  }

  /** Returns the configuration nodes: the worker, reached through SSH, and the tiny guest's image. */
  nodes(worker: Record<string, unknown> = {}): FlowConfig[] {
    return [sshHost(this.sshd), workerHost({ host: 'ssh-host1', path: this.place, ...worker }), tinyImage()];
  }

  /**
   * Deploys a lane that uses the worker.
   *
   * @param changes settings of single nodes, by node id
   */
  deploy(lane: LaneSettings, changes: Record<string, object> = {}): Promise<void> {
    // Without -x, the console shows a script's output only once.
    const exec = { interpreter: '/bin/bash -e', ...lane.exec };
    const nodes = guestLane({ nodes: this.nodes(), ...lane, exec });
    return this.red.deploy(nodes.map((node) => ({ ...node, ...changes[node.id] })));
  }

  /** Deploys a lane and runs one build in it. */
  async run(lane: LaneSettings, changes?: Record<string, object>): Promise<Outcome> {
    await this.deploy(lane, changes);
    return runBuild(this.red, handMade(), 3 * BOOT_TIMEOUT_MS);
  }

  /** Runs a build in a lane, and runs `action` as soon as `when` returns a truthy value. */
  async disrupt(
    lane: LaneSettings,
    { when, action }: { when: (events: BuildEvent[], console: string) => unknown; action: () => unknown },
    changes?: Record<string, object>,
  ): Promise<Outcome> {
    await this.deploy(lane, changes);
    const from = this.red.events.length;
    const ending = runBuild(this.red, handMade(), 3 * BOOT_TIMEOUT_MS);
    const console = () => this.red.runtime().supervisor.active()[0]?.log?.console.tail(5).join('\n') ?? '';
    let isOver = false;
    const note = () => {
      isOver = true;
    };
    ending.then(note, note);
    const disrupted = (async () => {
      await waitFor(
        'the moment to act',
        () => isOver || when(this.red.events.slice(from), console()),
        2 * BOOT_TIMEOUT_MS,
      );
      // Otherwise the action would hit the next test's build.
      if (!isOver) await action();
    })();
    const [outcome] = await Promise.race([Promise.all([ending, disrupted]), ending.then(() => [])]);
    return outcome ?? assert.fail(`the build ended before: ${JSON.stringify((await ending).build)}`);
  }

  /** Deletes the only clone, as an operator might. */
  deleteClone(): void {
    const clones = readdirSync(this.place).filter((name) => name.startsWith('recheck-'));
    assert.equal(clones.length, 1, 'there is one clone');
    execFileSync('btrfs', ['subvolume', 'delete', join(this.place, clones[0]!)], { stdio: 'ignore' });
  }

  /** Lists what is on the worker, except for images that are meant to stay. */
  takeInventory(): Record<string, string[]> {
    const now = inventory();
    // An interrupted download is kept beside the images, to be resumed.
    now['subvolumes'] = now['subvolumes']!.filter((path) => !/@/.test(path) || path.includes('/.made@'));
    now['clones'] = readdirSync(this.place, { recursive: true, encoding: 'utf8' }).filter((path) =>
      /recheck-/.test(path),
    );
    return now;
  }

  /** Checks that nothing is left behind, after giving retried cleanups time to finish. */
  async assertNothingLeft(limitMs = 10_000): Promise<void> {
    const same = () => JSON.stringify(this.takeInventory()) === JSON.stringify(this.#before);
    await waitFor('nothing is left', same, limitMs).catch(() => {});
    assert.deepEqual(this.takeInventory(), this.#before, 'nothing is left behind');
  }
}

/** Checks a build's result and vote, and that its message appears in the review, the console and Catch nodes. */
export function assertEnd(red: TestRed, outcome: Outcome, { result, vote, says, at }: Expected): void {
  const story = `${outcome.fault?.name}: ${outcome.fault?.message}\n${outcome.console.slice(-2000)}`;
  assert.equal(outcome.result, result, story);
  assert.deepEqual(outcome.labels, vote === undefined ? {} : { Verified: vote }, 'the vote');
  assert.match(outcome.review, new RegExp(`: ${result} in `), 'the review shows the result');
  if (at !== undefined) assert.equal(outcome.fault?.name, at, story);
  if (says === undefined) return;
  assert.match(outcome.fault?.message ?? '', says);
  assert.match(outcome.console, says, 'the console has the message');
  // Catch nodes receive infrastructure failures, but not failures of the patch.
  if (result === 'NODE_FAILURE' || result === 'DISK_FULL') assert.match(faults(red).at(-1) ?? '', says);
  assertStatusTexts(red);
}
