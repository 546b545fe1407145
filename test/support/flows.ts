import { randomBytes } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import type { SshTarget } from '../../lib/ssh/types.ts';
import type { FlowConfig, TestRed } from './red.ts';
import { waitFor } from './wait.ts';

/** A shipped flow, which tests change as a person would in the editor. */
export class FlowFile {
  readonly nodes: FlowConfig[];

  constructor(nodes: FlowConfig[]) {
    this.nodes = nodes;
  }

  static shipped(name: string): FlowFile {
    return new FlowFile(
      JSON.parse(readFileSync(join(import.meta.dirname, '..', '..', 'flows', `${name}.json`), 'utf8')),
    );
  }

  /** Returns the node of a type; the name chooses among several. */
  node(type: string, name?: string): FlowConfig {
    const found = this.nodes.find((node) => node.type === type && (name === undefined || node['name'] === name));
    if (!found) throw new Error(`no ${type} ${name ?? ''} in the flow`);
    return found;
  }

  set(type: string, values: Record<string, unknown>, name?: string): this {
    Object.assign(this.node(type, name), values);
    return this;
  }

  /** Connects the flow to a Gerrit: its server, a project, and a review that is posted and votes. */
  useGerrit(target: SshTarget, project: string): this {
    const { host, port, user, privateKey } = target;
    this.set('gerrit-server', { kind: 'ssh', host, port: String(port), user, credentials: { privateKey } });
    this.set('gerrit-events', { projects: [{ match: 'exact', pattern: project }] });
    return this.set('gerrit-review', { silent: false, vote: true });
  }

  /**
   * Returns the flow as if exported and imported as a copy: every node has a new id, which replaces the old one wherever
   * the editor knows a reference: in a property, an item of a list, a wire.
   */
  copy(): FlowFile {
    const ids = new Map(this.nodes.map(({ id }) => [id, randomBytes(8).toString('hex')]));
    const renewed = (value: unknown): unknown =>
      Array.isArray(value) ? value.map(renewed) : typeof value === 'string' ? (ids.get(value) ?? value) : value;
    return new FlowFile(
      this.nodes.map((node) => {
        const entries = Object.entries(structuredClone(node)).filter(([key]) => key !== 'credentials');
        return Object.fromEntries(entries.map(([key, value]) => [key, renewed(value)])) as FlowConfig;
      }),
    );
  }

  /** Inserts a node after an output of another, before what is wired to that output. */
  insert(after: FlowConfig, node: FlowConfig, port = 0): this {
    const wires = after['wires'] as string[][];
    this.nodes.push({ z: after['z'], name: '', x: 0, y: 0, wires: [wires[port] ?? []], ...node });
    wires[port] = [node.id];
    return this;
  }
}

/** Waits until the flow's gerrit-events node is connected to its Gerrit. */
export const connected = (red: TestRed, flow: FlowFile): Promise<unknown> =>
  waitFor(
    'gerrit-events is connected',
    () => red.status(flow.node('gerrit-events').id).startsWith('connected'),
    30_000,
  );
