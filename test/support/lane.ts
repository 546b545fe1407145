/** Small flows for tests of one node: nodes with the settings of the shipped flows, changed as a test wants them. */
import assert from 'node:assert/strict';
import type { BuildEvent, Message } from '../../lib/builds/types.ts';
import type { BuildView } from '../../lib/model/build.ts';
import type { SshTarget } from '../../lib/ssh/types.ts';
import { FlowFile } from './flows.ts';
import type { FlowConfig, TestRed } from './red.ts';
import { waitFor } from './wait.ts';

const shipped = FlowFile.shipped('2 one VM');

/** Types of the palette that stand on no tab. */
const CONFIG = new Set(['gerrit-server', 'ssh-host', 'worker-host', 'vm-image', 'tab']);

/**
 * A node as the editor saves it; its id is its type and a 1 where the settings give none. (The type itself will not do:
 * Node-RED takes any value that is a configuration node's id for a reference.)
 */
export function make(type: string, settings: Record<string, unknown> = {}): FlowConfig {
  const found = shipped.nodes.find((node) => node.type === type);
  const { g: _group, x: _x, y: _y, ...values } = structuredClone(found ?? {}) as Record<string, unknown>;
  return {
    name: '',
    ...values,
    ...(CONFIG.has(type) ? {} : { z: 'tab', x: 0, y: 0, wires: [] }),
    type,
    id: `${type}1`,
    ...settings,
  };
}

/** Nodes in a row, each wired to the next by its first output, where its settings have no wires. */
export function row(...nodes: FlowConfig[]): FlowConfig[] {
  return nodes.map((node, index) => {
    const next = nodes[index + 1];
    if ((node['wires'] as string[][]).length > 0) return node;
    return { ...node, wires: [next ? [next.id] : []] };
  });
}

/** A whole flow: a tab, what stands on it, and a Catch node that counts as the flow's ear for faults. */
export const flow = (...nodes: FlowConfig[]): FlowConfig[] => [
  make('tab', { id: 'tab', label: 'test' }),
  ...nodes,
  make('catch', { scope: null, uncaught: false, wires: [['caught']] }),
  make('debug', { id: 'caught', active: false }),
];

/** What Catch nodes got, in words. */
export const faults = (red: TestRed): string[] =>
  red.received('caught').map(({ error }) => (error as { message: string }).message);

/** One job, voting, on the first lane; more or others by `settings`. */
export const jobs = (settings: Record<string, unknown> = {}): FlowConfig =>
  make('ci-jobs', {
    jobs: [job('unit')],
    lanes: [{ id: 'lane-1', label: '' }],
    supersede: false,
    ...settings,
  });

/**
 * What makes a build have guests, on this machine's worker: `clone-<name>` for each, `metadata-server1`, `virsh-boot1`,
 * which is wired to `work` or what is named.
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

/** A row of ci-jobs. */
export const job = (name: string, more: Record<string, unknown> = {}): Record<string, unknown> => ({
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

/** Sets a variable of Node-RED's environment, and gives the setting that names it. */
export function variable(name: string, value: string): string {
  process.env[name] = value;
  return `\${${name}}`;
}

/** Settings of a gerrit-server or ssh-host that reach a target. */
export const reaching = ({ host, port, user, privateKey }: SshTarget): Record<string, unknown> => ({
  kind: 'ssh',
  host,
  port: String(port),
  user,
  keyFile: '',
  hostKey: '',
  // An empty one takes away what an earlier deploy stored.
  credentials: { privateKey, passphrase: '' },
});

let number = 1000;

/** A message that starts builds, for a change that no other has. */
export function handMade(more: Record<string, unknown> = {}, message: Record<string, unknown> = {}): Message {
  number += 1;
  return { change: { project: 'demo', branch: 'master', number, ...more } as never, patchset: 1, ...message };
}

/** A build that has ended. */
export type Ended = BuildEvent & { kind: 'build-ended'; build: BuildView };

/** Starts a build by hand and waits for its end. */
export async function run(red: TestRed, message: Message = handMade(), limit = 60_000): Promise<Ended> {
  const { number: change, patchset = message['patchset'] } = message.change as unknown as Record<string, unknown>;
  const label = `${change},${patchset}`;
  const before = red.events.length;
  red.send('ci-jobs1', message);
  const ended = await waitFor(
    `build ${label} ends (status: ${red.status('ci-jobs1')})`,
    () => red.events.slice(before).find((event) => event.kind === 'build-ended' && event.label === label),
    limit,
  );
  return ended as Ended;
}

/** The text of a file of the build's log, as a person reads it: by HTTP. */
export async function logOf({ build }: Ended, file = 'console.log'): Promise<string> {
  const answer = await fetch(new URL(file, build.logUrl));
  assert.equal(answer.status, 200, `${file} of ${build.logUrl}`);
  return answer.text();
}

/** An endpoint of ours in the editor's server. */
export async function ask(red: TestRed, method: string, path: string, body?: object): Promise<Record<string, unknown>> {
  const answer = await fetch(`${red.url}/recheck/${path}`, {
    method,
    ...(body ? { headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) } : {}),
  });
  assert.equal(answer.status, 200, `${method} ${path}`);
  return (await answer.json()) as Record<string, unknown>;
}

/** Every status that was shown is a text for people: no key of a locale, no hole, nothing of a program. */
export function assertWords(red: TestRed): void {
  assert.ok(red.statuses.length > 0, 'there were statuses');
  for (const { id, text } of red.statuses) {
    assert.doesNotMatch(text, /(^|[\s.])(status|button|hint)\.\w|__\w+__|undefined|NaN|\[object/, `status of ${id}`);
  }
}
