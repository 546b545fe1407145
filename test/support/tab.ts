import type { FlowConfig } from './red.ts';

/** A row of ci-jobs, for a lane of that name (`lane` where none is given). */
export type Job = { name: string; lane?: string } & Record<string, unknown>;

/** Configuration nodes that all tabs share: the sandbox Gerrit, a worker of this machine with one slot, an image. */
export const shared = (worker: Record<string, unknown> = {}): FlowConfig[] => [
  { id: 'gerrit', type: 'gerrit-server', name: '', kind: 'sandbox', ciName: 'my-ci' },
  {
    id: 'worker',
    type: 'worker-host',
    name: 'here',
    kind: 'sandbox',
    path: '',
    slots: '4',
    strangers: false,
    ...worker,
  },
  { id: 'image', type: 'vm-image', name: 'empty', source: 'empty', path: '', loginUser: 'ci' },
];

/** A tab of the editor: nodes by their name, and the wires between them, as a person would put them. */
export class Tab {
  readonly id: string;
  readonly nodes: FlowConfig[];
  readonly z: string;

  /** @param z where its nodes stand, where not on a tab of its own: a subflow */
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

  add(name: string, type: string, values: Record<string, unknown> = {}): this {
    this.nodes.push({ id: this.idOf(name), type, z: this.z, name, x: 0, y: 0, wires: [[]], ...values });
    return this;
  }

  /** Wires one node to the next, each from its first output. */
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

  /** Takes a node out, with the wires to it, as the Delete key does. */
  remove(name: string): this {
    const id = this.idOf(name);
    this.nodes.splice(this.nodes.indexOf(this.node(name)), 1);
    for (const node of this.nodes) {
      node['wires'] = (node['wires'] as string[][] | undefined)?.map((wires) => wires.filter((wire) => wire !== id));
    }
    return this;
  }

  /** ci-jobs: each job leaves by the output of its lane, in the order in which lanes are first named. */
  jobs(jobs: Job[] = [{ name: 'unit' }], values: Record<string, unknown> = {}): this {
    const lanes = [...new Set(jobs.map((job) => job.lane ?? 'lane'))];
    return this.add('jobs', 'ci-jobs', {
      pipeline: 'check',
      jobs: jobs.map((job) => ({
        voting: true,
        timeout: '5',
        env: [],
        events: [],
        projects: [],
        branches: [],
        ...job,
        lane: job.lane ?? 'lane',
      })),
      lanes: lanes.map((id) => ({ id, label: id })),
      outputs: lanes.length,
      wires: lanes.map(() => []),
      eventEnv: [],
      supersede: true,
      idle: '1',
      ...values,
    });
  }

  /** A guest: `clone`, `metadata`, `boot`, wired. */
  guest(): this {
    return this.add('clone', 'clone-image', {
      image: 'image',
      hosts: ['worker'],
      guest: 'vm',
      addressEnv: '',
      wait: '5',
    })
      .add('metadata', 'metadata-server', { hostname: '{{guest}}', userData: '' })
      .add('boot', 'virsh-boot', { memory: '64', vcpus: '1', networks: [], guests: [], timeout: '60' })
      .line('clone', 'metadata', 'boot');
  }

  /** A script in the guest; on the test's SSH server with `{target: 'host', host: 'host'}`. */
  exec(name: string, script: string, values: Record<string, unknown> = {}): this {
    return this.add(name, 'ssh-exec', {
      target: 'guest',
      guests: '',
      host: '',
      script,
      interpreter: '/bin/bash -e',
      user: '',
      env: [],
      secretNames: [],
      timeout: '',
      when: 'passing',
      wires: [[], []],
      ...values,
    });
  }

  fn(name: string, func: string, values: Record<string, unknown> = {}): this {
    return this.add(name, 'function', {
      func,
      outputs: 1,
      timeout: 0,
      noerr: 0,
      initialize: '',
      finalize: '',
      libs: [],
      ...values,
    });
  }

  delay(name: string, seconds: number): this {
    return this.add(name, 'delay', {
      pauseType: 'delay',
      timeout: String(seconds),
      timeoutUnits: 'seconds',
      rate: '1',
      nbRateUnits: '1',
      rateUnits: 'second',
      outputs: 1,
    });
  }

  publish(values: Record<string, unknown> = {}, name = 'publish'): this {
    return this.add(name, 'publish-logs', {
      files: [],
      root: '',
      url: '',
      days: '30',
      gigabytes: '50',
      branches: '',
      then: 'destroy',
      ...values,
    });
  }

  review(values: Record<string, unknown> = {}, name = 'review'): this {
    return this.add(name, 'gerrit-review', {
      server: '',
      label: 'Verified',
      success: '1',
      failure: '-1',
      vote: true,
      silent: false,
      tag: '',
      notify: '',
      ...values,
    });
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
