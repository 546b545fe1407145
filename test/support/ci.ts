import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { Build } from '../../lib/builds/build.ts';
import type { Change, SandboxGerrit } from '../../lib/sandbox/gerrit.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import type { Worker } from '../../lib/worker/types.ts';
import { parseTable } from '../gerrit/results-table.ts';
import { sharedNodes, type Tab } from './flow-builder.ts';
import { type FlowConfig, startRed, type TestRed } from './red.ts';
import { startSshServer, type TestSshServer } from './ssh-server.ts';
import { waitFor } from './wait.ts';

type Deploy = 'full' | 'nodes' | 'flows';

/** What a reviewer sees of one run on a change. */
export interface Verdict {
  review: string;
  /** Result of each job in the results table. */
  results: Record<string, string>;
  vote: number;
  builds: Build[];
  /** The console of the first build. */
  console: string;
}

/** A real Node-RED with the sandbox Gerrit and worker, and an SSH server that is not a guest (the ssh-host `host`). */
export class Ci {
  readonly red: TestRed;
  readonly host: TestSshServer;
  readonly #config: FlowConfig[];
  gerrit!: SandboxGerrit;
  /** Servers and child processes before the first build. */
  #idle: string[] = [];
  /** Every build that was started, by change number. */
  readonly #builds = new Map<number, Build[]>();

  private constructor(red: TestRed, host: TestSshServer, config: FlowConfig[]) {
    this.red = red;
    this.host = host;
    this.#config = config;
  }

  static async start(tabs: Tab[], worker: Record<string, unknown> = {}): Promise<Ci> {
    const key = generateKeyPair('test');
    const host = await startSshServer({ authorized: [key.publicKey] });
    const red = await startRed();
    const ci = new Ci(red, host, [
      ...sharedNodes(worker),
      {
        id: 'host',
        type: 'ssh-host',
        name: 'a machine',
        host: '127.0.0.1',
        port: String(host.port),
        user: 'me',
        credentials: { privateKey: key.privateKey, passphrase: '' },
      },
    ]);
    const gerrit = red.sandbox();
    await ci.deploy(tabs);
    ci.gerrit = await gerrit;
    ci.#idle = serversAndChildren();
    return ci;
  }

  deploy(tabs: Tab[], type: Deploy = 'full'): Promise<void> {
    return this.red.deploy([...this.#config, ...tabs.flatMap((tab) => tab.nodes)], type);
  }

  /** Uploads a change and starts it manually at the tab's ci-jobs. Returns the change number. */
  async run(tab: Tab, more: Record<string, unknown> = {}): Promise<number> {
    const { number } = await this.upload();
    this.again(tab, number, more);
    await this.build(number);
    return number;
  }

  /** Uploads a change, or the next patchset of one. */
  upload(change?: number): Promise<Change> {
    return this.gerrit.upload({ message: 'A change\n', files: { 'a.txt': `${process.hrtime.bigint()}\n` }, change });
  }

  /** Starts the newest patchset of a change manually at the tab's ci-jobs. */
  again(tab: Tab, number: number, more: Record<string, unknown> = {}): void {
    const { project, branch, subject, patchsets } = this.change(number);
    this.red.send(tab.idOf('jobs'), {
      change: { server: 'gerrit', project, branch, number, subject },
      patchset: patchsets.length,
      ...more,
    });
  }

  change(number: number): Change {
    return this.gerrit.changes().find((change) => change.number === number)!;
  }

  /** Returns all builds of a change so far. */
  builds(number: number): Build[] {
    const known = this.#builds.get(number) ?? [];
    for (const build of this.red.runtime().supervisor.builds()) {
      if (build.change.number === number && !known.includes(build)) known.push(build);
    }
    this.#builds.set(number, known);
    return known;
  }

  /** Waits for a build of a change, and returns the newest. */
  build(number: number): Promise<Build> {
    return waitFor(`a build of change ${number}`, () => this.builds(number).at(-1));
  }

  reviews(number: number): string[] {
    return this.change(number)
      .messages.filter(({ author }) => author === 'my-ci')
      .map(({ message }) => message);
  }

  vote(number: number): number {
    return (
      this.change(number)
        .patchsets.at(-1)!
        .votes.find(({ by }) => by === 'my-ci')?.value ?? 0
    );
  }

  /** Waits until a change's builds are over, and checks that they hold nothing. */
  async over(number: number, limit = 60_000): Promise<Build[]> {
    const { supervisor } = this.red.runtime();
    await waitFor(
      `the builds of change ${number} are over and forgotten`,
      () => this.builds(number).length > 0 && !supervisor.builds().some((build) => build.change.number === number),
      limit,
    );
    for (const build of this.builds(number)) this.#gone(build);
    return this.builds(number);
  }

  /** Waits for the review of a change. `verdict` checks that it remains the only one. */
  async review(number: number): Promise<Verdict> {
    await waitFor(`a review of change ${number}`, () => this.reviews(number)[0], 20_000);
    return this.#shown(number);
  }

  /** Waits until a change's builds are over, and returns its only review. */
  async verdict(number: number, limit?: number): Promise<Verdict> {
    await this.over(number, limit);
    return this.#shown(number);
  }

  #shown(number: number): Verdict {
    const builds = this.builds(number);
    const reviews = this.reviews(number);
    const events = this.red.events.filter(
      (event) => event.label.startsWith(`${number},`) && event.kind !== 'step-progress',
    );
    const story = events.map((event) => JSON.stringify({ ...event, build: undefined, change: undefined })).join('\n');
    assert.equal(reviews.length, 1, `one review, not ${reviews.length}:\n${reviews.join('\n---\n')}\n${story}`);
    const results = Object.fromEntries(parseTable(reviews[0]!).rows.map(({ job, result }) => [job, result]));
    return { review: reviews[0]!, results, vote: this.vote(number), builds, console: consoleOf(builds[0]!) };
  }

  /** Returns the logged warnings and errors that match. */
  warnings(pattern: RegExp): string[] {
    return this.red.logs.filter(({ level, msg }) => level <= 30 && pattern.test(msg)).map(({ msg }) => msg);
  }

  /** Checks that all slots are free, and that no guest runs and no metadata link is open. */
  async nothingHeld(): Promise<void> {
    const { scheduler } = this.red.runtime().supervisor;
    const slots = Number(this.#config.find(({ id }) => id === 'worker')!['slots']);
    const worker = { id: 'worker', label: 'worker', slots, isolated: true } as Worker;
    const options = { limit: 1000, trusted: true, signal: new AbortController().signal, onWait: () => {} };
    const runs = Array.from({ length: slots }, (_, index) => `probe-${index}`);
    await Promise.all(runs.map((run) => scheduler.acquire(run, () => [worker], options)));
    await Promise.all(runs.map((run) => scheduler.release(worker, run)));
    assert.deepEqual(serversAndChildren(), this.#idle);
  }

  async close(): Promise<void> {
    await this.red.close();
    await this.host.close();
  }

  #gone(build: Build): void {
    assert.ok(build.endedAt, `build ${build.id} has ended`);
    const root = join(this.red.userDir, 'recheck', 'worker');
    for (const folder of ['clones', 'guests']) {
      const left = list(join(root, folder)).filter((name) => name.includes(build.id));
      assert.deepEqual(left, [], `${folder} of build ${build.id}`);
    }
    assert.deepEqual(processesOf(build.id), [], `processes of build ${build.id}`);
  }
}

/** Returns the listening servers and running child processes of this process. */
const serversAndChildren = (): string[] =>
  process
    .getActiveResourcesInfo()
    .filter((name) => name === 'TCPServerWrap' || name === 'ProcessWrap')
    .sort();

/** Returns the text of a build's console; empty if it has no log. */
export function consoleOf(build: Build): string {
  return build.log ? readFileSync(join(build.log.dir, 'console.log'), 'utf8') : '';
}

function list(folder: string): string[] {
  try {
    return readdirSync(folder);
  } catch {
    return [];
  }
}

/** Returns the processes of a build's guests, recognized by a variable in their environment. */
export function processesOf(build: string): string[] {
  return list('/proc')
    .filter((pid) => /^\d+$/.test(pid))
    .filter((pid) => {
      try {
        return readFileSync(`/proc/${pid}/environ`, 'utf8').includes(`recheck-${build}-`);
      } catch {
        return false;
      }
    });
}
