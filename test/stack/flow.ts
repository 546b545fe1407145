/** Lanes of a real Node-RED whose guests are libvirt's, on the machine room's btrfs. */
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

/** Milliseconds that a build with tiny guests has, on a machine that others use too. */
export const BUILD_TIME = 300_000;

/** A folder of its own on the room's btrfs, for a worker's images and clones. */
export const newPlace = (): string => mkdtempSync(join(stackFolder!, 'ci', 'place-'));

/** A worker-host with room whatever else the machine does; this machine directly, where no `host` is set. */
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

/** An ssh-host, for a worker that is reached as root by a real sshd. */
export const sshHost = ({ target }: OpenSsh, settings: Settings = {}): FlowConfig =>
  make('ssh-host', { name: 'host-a', ...reaching(target), ...settings });

/** A vm-image with the tiny guest's disk. */
export const tinyImage = (settings: Settings = {}): FlowConfig =>
  make('vm-image', { name: 'tiny', source: 'url', url: `file://${guestDisk('tiny')}`, loginUser: 'root', ...settings });

/** An image made of another by scripts: each is its text, by its name. */
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

/** What a lane is like where it is not the usual one. */
export interface LaneSettings {
  /** Text of the one script; a node of its own by `exec`. */
  script?: string;
  /** Names of the guests: `vm`, or `slave master`. */
  guests?: string;
  /** Configuration nodes in place of this machine (`worker-host1`) and the tiny guest (`vm-image1`). */
  nodes?: FlowConfig[];
  /** The folder or data set of the usual worker-host. */
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
 * A flow from ci-jobs (`ci-jobs1`) to a silent gerrit-review (`gerrit-review1`): clone-image (`clone-<guest>`),
 * metadata-server (`metadata-server1`), virsh-boot (`virsh-boot1`), ssh-exec (`ssh-exec1`), publish-logs
 * (`publish-logs1`).
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
      make('gerrit-review', { silent: true, vote: true, wires: [['said']], ...lane.review }),
    ),
    make('debug', { id: 'said', active: true }),
  );
}

/** What a person sees of a build that has ended. */
export interface Outcome extends Ended {
  /** Result of each step, by its node's name. */
  results: Record<string, string>;
  /** The first step that did not succeed. */
  fault: StepRecord | undefined;
  console: string;
  /** The comment that would be posted, and its votes. */
  review: string;
  labels: Record<string, number>;
}

/** Starts a build by hand, waits for its end and its review, and reads its console. */
export async function runBuild(red: TestRed, message = handMade(), limit = BUILD_TIME): Promise<Outcome> {
  return outcomeOf(red, await run(red, message, limit));
}

/** What a person sees of a build that has ended. */
export async function outcomeOf(red: TestRed, ended: Ended): Promise<Outcome> {
  const { build } = ended;
  const said = await waitFor('a review', () =>
    red.received('said').find((message) => (message['build'] as typeof build).set.id === build.set.id),
  );
  const { message: review, labels } = said['payload'] as { message: string; labels: Record<string, number> };
  return {
    ...ended,
    results: Object.fromEntries(build.steps.map(({ name, result }) => [name, result])),
    fault: build.steps.find(({ result }) => result !== 'SUCCESS'),
    console: await logOf(ended),
    review,
    labels,
  };
}
