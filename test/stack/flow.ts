/** Lanes of a real Node-RED with libvirt guests on the sandbox's btrfs. */
import { mkdtempSync } from 'node:fs';
import { join } from 'node:path';
import type { StepRecord } from '../../lib/model/build.ts';
import { type Ended, handMade, logOf, run } from '../support/build-runs.ts';
import { flow, jobs, make, reaching, row } from '../support/flow-builder.ts';
import type { OpenSsh } from '../support/openssh.ts';
import type { FlowConfig, TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';
import { guestDisk, stackFolder } from './support.ts';

type Settings = Record<string, unknown>;

/** Timeout for a build with tiny guests, on a machine that may be busy. */
export const BUILD_TIMEOUT_MS = 300_000;

/** Creates a folder on the sandbox's btrfs for a worker's images and clones. */
export const newStorageFolder = (): string => mkdtempSync(join(stackFolder!, 'ci', 'place-'));

/** Returns a worker-host that has room however busy the machine is; it is this machine unless `host` is set. */
export const workerHost = (settings: Settings = {}): FlowConfig =>
  make('worker-host', {
    kind: 'libvirt',
    name: 'host-a',
    host: '',
    storage: 'btrfs',
    uri: '',
    domainType: 'qemu',
    slots: '2',
    memory: '1',
    load: '1000',
    ...settings,
  });

/** Returns an ssh-host, for a worker that is reached as root through a real sshd. */
export const sshHost = ({ target }: OpenSsh, settings: Settings = {}): FlowConfig =>
  make('ssh-host', { name: 'host-a', ...reaching(target), ...settings });

/** Returns a vm-image with the tiny guest's disk. */
export const tinyImage = (settings: Settings = {}): FlowConfig =>
  make('vm-image', { name: 'tiny', source: 'url', url: `file://${guestDisk('tiny')}`, loginUser: 'root', ...settings });

/** Returns a vm-image that scripts (text by name) build from `vm-image1`. */
export const madeImage = (scripts: Record<string, string>, settings: Settings = {}): FlowConfig =>
  make('vm-image', {
    id: 'vm-image2',
    name: 'made',
    source: 'parent',
    parent: 'vm-image1',
    scripts: Object.entries(scripts).map(([name, text]) => ({ name, user: '', interpreter: '', text, file: '' })),
    memory: '256',
    vcpus: '1',
    networks: [{ source: 'default', mac: '' }],
    userData: '',
    authorizedKeys: '',
    timeout: '5',
    loginUser: 'root',
    ...settings,
  });

/** How a lane differs from the default. */
export interface LaneSettings {
  /** Text of the only script; `exec` has the other settings of its node. */
  script?: string;
  /** Names of the guests, separated by spaces. */
  guests?: string;
  /** Configuration nodes instead of this machine (`worker-host1`) and the tiny guest (`vm-image1`). */
  nodes?: FlowConfig[];
  /** The folder or dataset of the default worker-host. */
  place?: string;
  jobs?: Settings;
  clone?: Settings;
  metadata?: Settings;
  boot?: Settings;
  exec?: Settings;
  publish?: Settings;
  review?: Settings;
}

/**
 * Returns a flow from ci-jobs (`ci-jobs1`) to a gerrit-review (`gerrit-review1`) that posts nothing. Between them are
 * clone-image (`clone-<guest>`), metadata-server (`metadata-server1`), virsh-boot (`virsh-boot1`), ssh-exec
 * (`ssh-exec1`) and publish-logs (`publish-logs1`).
 */
export function guestLane(lane: LaneSettings): FlowConfig[] {
  const { script = 'hostname', guests = 'vm', place, nodes = [workerHost({ path: place }), tinyImage()] } = lane;
  return flow(
    ...nodes,
    ...row(
      jobs(lane.jobs),
      ...guests.split(' ').map((guest) =>
        make('clone-image', {
          id: `clone-${guest}`,
          guest,
          image: 'vm-image1',
          hosts: ['worker-host1'],
          addressEnv: '',
          wait: '10',
          ...lane.clone,
        }),
      ),
      make('metadata-server', { hostname: '{{guest}}', userData: '', ...lane.metadata }),
      make('virsh-boot', {
        memory: '256',
        networks: [{ source: 'default', mac: '' }],
        guests: [],
        timeout: '240',
        ...lane.boot,
      }),
      make('ssh-exec', { id: 'ssh-exec1', name: 'work', script, interpreter: '/bin/bash -xe', user: '', ...lane.exec }),
      make('publish-logs', { files: [], ...lane.publish }),
      make('gerrit-review', { silent: true, vote: true, wires: [['review-output']], ...lane.review }),
    ),
    make('debug', { id: 'review-output', active: true }),
  );
}

/** What a user sees of a finished build. */
export interface Outcome extends Ended {
  /** Result of each step, by the name of its node. */
  results: Record<string, string>;
  /** The first step that did not succeed. */
  fault: StepRecord | undefined;
  console: string;
  /** The review that would be posted, and its votes. */
  review: string;
  labels: Record<string, number>;
}

/** Starts a build, waits for its end and its review, and reads its console. */
export async function runBuild(red: TestRed, message = handMade(), limit = BUILD_TIMEOUT_MS): Promise<Outcome> {
  return outcomeOf(red, await run(red, message, limit));
}

/** Waits for the review of a finished build, and reads its console. */
export async function outcomeOf(red: TestRed, ended: Ended): Promise<Outcome> {
  const { build } = ended;
  const output = await waitFor('a review', () =>
    red.received('review-output').find((message) => (message['build'] as typeof build).set.id === build.set.id),
  );
  const { message: review, labels } = output['payload'] as { message: string; labels: Record<string, number> };
  return {
    ...ended,
    results: Object.fromEntries(build.steps.map(({ name, result }) => [name, result])),
    fault: build.steps.find(({ result }) => result !== 'SUCCESS'),
    console: await logOf(ended),
    review,
    labels,
  };
}
