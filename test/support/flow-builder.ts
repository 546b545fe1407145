/**
 * Builds flows for tests. Every node starts with the settings that it has in the shipped flow "2 one VM". `flow` takes a
 * list of nodes made by `make`; a `Tab` names its nodes and wires them by name.
 */
import { userInfo } from 'node:os';
import type { SshTarget } from '../../lib/ssh/types.ts';
import { FlowFile } from './flows.ts';
import type { FlowConfig } from './red.ts';

type Settings = Record<string, unknown>;

const shipped = FlowFile.shipped('2 one VM');

/** Types that are not on a tab. */
const CONFIG = new Set(['gerrit-server', 'ssh-host', 'worker-host', 'vm-image', 'tab']);

/**
 * Returns a node as the editor saves it. Its id is its type followed by a 1, unless the settings have one. (The type
 * alone will not do: Node-RED takes any value that equals the id of a configuration node for a reference.)
 */
export function make(type: string, settings: Settings = {}): FlowConfig {
  const found = shipped.nodes.find((node) => node.type === type);
  const { g: _group, x: _x, y: _y, ...values } = structuredClone(found ?? {}) as Settings;
  return {
    name: '',
    ...values,
    ...(CONFIG.has(type) ? {} : { z: 'tab', x: 0, y: 0, wires: [] }),
    type,
    id: `${type}1`,
    ...settings,
  };
}

/** Wires the first output of each node to the next node, except for nodes that have wires already. */
export function row(...nodes: FlowConfig[]): FlowConfig[] {
  return nodes.map((node, index) => {
    const next = nodes[index + 1];
    if ((node['wires'] as string[][]).length > 0) return node;
    return { ...node, wires: [next ? [next.id] : []] };
  });
}

/** Returns a whole flow: a tab, the nodes on it, and a Catch node whose errors `faults` returns. */
export const flow = (...nodes: FlowConfig[]): FlowConfig[] => [
  make('tab', { id: 'tab', label: 'test' }),
  ...nodes,
  make('catch', { name: '', scope: null, uncaught: false, wires: [['caught']] }),
  make('debug', { id: 'caught', active: false }),
];

/** Returns a job of ci-jobs, for the lane `lane-1`. */
export const job = (name: string, more: Settings = {}): Settings => ({
  name,
  voting: true,
  lane: 'lane-1',
  timeout: '30',
  env: [],
  events: [],
  projects: [],
  branches: [],
  ...more,
});

/** Returns a ci-jobs node with one lane and one voting job, `unit`. */
export const jobs = (settings: Settings = {}): FlowConfig =>
  make('ci-jobs', {
    jobs: [job('unit')],
    lanes: [{ id: 'lane-1', label: '' }],
    supersede: false,
    ...settings,
  });

/**
 * Returns the nodes that give a build its guests on the sandbox worker: `clone-<name>` for each name, then
 * `metadata-server1` and `virsh-boot1`, which is wired to `next`.
 */
export function guests(names: string, next = 'work'): FlowConfig[] {
  const all = names.split(' ');
  return [
    make('worker-host', { name: 'here', strangers: true }),
    make('vm-image', { name: 'empty' }),
    ...all.map((guest, index) =>
      make('clone-image', {
        id: `clone-${guest}`,
        guest,
        image: 'vm-image1',
        hosts: ['worker-host1'],
        wires: [[all[index + 1] ? `clone-${all[index + 1]}` : 'metadata-server1']],
      }),
    ),
    make('metadata-server', { userData: '', wires: [['virsh-boot1']] }),
    make('virsh-boot', { wires: [[next]] }),
  ];
}

/** Returns the settings of a gerrit-server or ssh-host that connects to a target. */
export const reaching = ({ host, port, user, privateKey }: SshTarget): Settings => ({
  kind: 'ssh',
  host,
  port: String(port),
  user,
  keyFile: '',
  hostKey: '',
  // An empty passphrase removes the one that an earlier deploy stored.
  credentials: { privateKey, passphrase: '' },
});

/** Returns a step that runs its script on the machine of `scriptLane`. */
export const execThere = (settings: Settings): FlowConfig =>
  make('ssh-exec', { target: 'host', host: 'ssh-host1', env: [], wires: [['publish-logs1'], []], ...settings });

/**
 * Returns a lane of steps that need no guest: they run on the ssh-host "store", which is that port of the loopback
 * interface. A publish-logs, a dry-run review that would vote, and the debug nodes `out` and `lines` follow. The second
 * output of a step may be wired to `lines`.
 */
export function scriptLane(port: number, privateKey: string, steps: FlowConfig[], more: Settings = {}): FlowConfig[] {
  const lane = steps.map((step, index) => {
    const [, lines] = step['wires'] as string[][];
    return { ...step, wires: [[steps[index + 1]?.id ?? 'publish-logs1'], lines ?? []] };
  });
  const target = { label: '', host: '127.0.0.1', port, user: userInfo().username, privateKey };
  return flow(
    make('ssh-host', { name: 'store', ...reaching(target) }),
    jobs({ jobs: [job('unit', more)], wires: [[lane[0]!.id]] }),
    ...lane,
    make('publish-logs', { name: '', files: [], wires: [['gerrit-review1', 'out']] }),
    make('gerrit-review', { silent: true, vote: true }),
    make('debug', { id: 'out', active: false }),
    make('debug', { id: 'lines', active: false }),
  );
}

/** A job of a `Tab`, and its lane (default: `lane`). */
export type Job = { name: string; lane?: string } & Settings;

/** Returns the configuration nodes that tabs share: `gerrit` (the sandbox), `worker` and `image`. */
export const sharedNodes = (worker: Settings = {}): FlowConfig[] => [
  make('gerrit-server', { id: 'gerrit', name: '' }),
  make('worker-host', { id: 'worker', name: 'here', slots: '4', ...worker }),
  make('vm-image', { id: 'image' }),
];

/** A tab of the editor whose nodes and wires are given by name. */
export class Tab {
  readonly id: string;
  readonly nodes: FlowConfig[];
  readonly z: string;

  /** @param z id of the subflow that the nodes belong to, instead of a tab of their own */
  constructor(id: string, z?: string) {
    this.id = id;
    this.z = z ?? `tab-${id}`;
    this.nodes = z === undefined ? [{ id: this.z, type: 'tab', label: id }] : [];
  }

  idOf(name: string): string {
    return `${this.id}-${name}`;
  }

  node(name: string): FlowConfig {
    const found = this.nodes.find((node) => node.id === this.idOf(name));
    if (!found) throw new Error(`no node ${name} on the tab ${this.id}`);
    return found;
  }

  add(name: string, type: string, values: Settings = {}): this {
    this.nodes.push(make(type, { id: this.idOf(name), z: this.z, name, wires: [[]], ...values }));
    return this;
  }

  /** Wires the first output of each node to the next one. */
  line(...names: string[]): this {
    for (const [index, name] of names.slice(1).entries()) this.wire(names[index]!, name);
    return this;
  }

  wire(from: string, to: string, port = 0): this {
    const wires = this.node(from)['wires'] as string[][];
    while (wires.length <= port) wires.push([]);
    wires[port]!.push(this.idOf(to));
    return this;
  }

  /** Removes a node and the wires to it, as the Delete key does. */
  remove(name: string): this {
    const id = this.idOf(name);
    this.nodes.splice(this.nodes.indexOf(this.node(name)), 1);
    for (const node of this.nodes) {
      node['wires'] = (node['wires'] as string[][] | undefined)?.map((wires) => wires.filter((wire) => wire !== id));
    }
    return this;
  }

  /** Adds ci-jobs with one output per lane, in the order in which the jobs name their lanes. */
  jobs(rows: Job[] = [{ name: 'unit' }], values: Settings = {}): this {
    const lanes = [...new Set(rows.map(({ lane }) => lane ?? 'lane'))];
    return this.add('jobs', 'ci-jobs', {
      jobs: rows.map(({ name, ...more }) => job(name, { timeout: '5', lane: 'lane', ...more })),
      lanes: lanes.map((id) => ({ id, label: id })),
      outputs: lanes.length,
      wires: lanes.map(() => []),
      idle: '1',
      ...values,
    });
  }

  /** Adds a guest: `clone`, `metadata` and `boot`, wired in this order. */
  guest(): this {
    return this.add('clone', 'clone-image', { image: 'image', hosts: ['worker'], wait: '5' })
      .add('metadata', 'metadata-server', { hostname: '{{guest}}', userData: '' })
      .add('boot', 'virsh-boot', { memory: '64', networks: [], timeout: '60' })
      .line('clone', 'metadata', 'boot');
  }

  /** Adds a script in the guest; `{target: 'host', host: 'host'}` runs it on the SSH server of the test. */
  exec(name: string, script: string, values: Settings = {}): this {
    return this.add(name, 'ssh-exec', { script, interpreter: '/bin/bash -e', wires: [[], []], ...values });
  }

  fn(name: string, func: string, values: Settings = {}): this {
    const defaults = { outputs: 1, timeout: 0, noerr: 0, initialize: '', finalize: '', libs: [] };
    return this.add(name, 'function', { func, ...defaults, ...values });
  }

  delay(name: string, seconds: number): this {
    return this.add(name, 'delay', {
      ...{ pauseType: 'delay', timeout: String(seconds), timeoutUnits: 'seconds' },
      ...{ rate: '1', nbRateUnits: '1', rateUnits: 'second', outputs: 1 },
    });
  }

  publish(values: Settings = {}, name = 'publish'): this {
    return this.add(name, 'publish-logs', { files: [], ...values });
  }

  review(values: Settings = {}, name = 'review'): this {
    return this.add(name, 'gerrit-review', values);
  }

  debug(name: string): this {
    return this.add(name, 'debug', { active: true, tosidebar: true, complete: 'true', targetType: 'full' });
  }

  switch(name: string, property: string, ...values: string[]): this {
    return this.add(name, 'switch', {
      property,
      propertyType: 'msg',
      rules: values.map((v) => ({ t: 'eq', v, vt: 'str' })),
      checkall: 'true',
      repair: false,
      outputs: values.length,
      wires: values.map(() => []),
    });
  }
}
