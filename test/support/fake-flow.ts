import { FlowGraph, type FlowNode } from '../../lib/builds/flow-graph.ts';
import type { ReviewSettings } from '../../lib/builds/review-settings.ts';
import type { Supervisor } from '../../lib/builds/supervisor.ts';
import type { BuildEvent, Flow, Message, NodeInstance, StartRequest } from '../../lib/builds/types.ts';
import type { LogSettings } from '../../lib/logs/types.ts';

/** What a node of the fake flow does with a message. */
type Input = (message: Message) => unknown;

/** A flow without Node-RED: messages go along the wires of a graph to the test's own functions. */
export class FakeFlow implements Flow {
  readonly events: BuildEvent[] = [];
  /** Messages that left a node, in order. */
  readonly sent: { node: string; port: number; message: Message }[] = [];
  /** Nodes that are closed, as during a deploy. */
  readonly closed = new Set<string>();
  readonly inputs = new Map<string, Input>();
  logs: LogSettings | undefined;
  /** What every gerrit-review of it is set to: a line for each job, shown and not posted. */
  review: Omit<ReviewSettings, 'node'> = {
    ...{ label: 'Verified', success: 1, failure: -1, vote: true, silent: true, tag: '' },
    templates: { header: '', jobLine: '{{name}}', footer: '' },
  };
  /** Told each event as it happens. */
  onEvent: (event: BuildEvent) => void = () => {};
  /** Told of messages that move; set after the supervisor was made. */
  supervisor: Supervisor | undefined;
  #nodes: FlowNode[];
  #graph: FlowGraph;

  constructor(nodes: FlowNode[]) {
    this.#nodes = nodes;
    this.#graph = new FlowGraph(nodes);
  }

  /** Deploys another flow. */
  deploy(nodes: FlowNode[]): void {
    this.#nodes = nodes;
    this.#graph = new FlowGraph(nodes);
    this.closed.clear();
    this.supervisor?.deployed();
  }

  sendFrom(node: string, port: number, message: Message): boolean {
    const from = this.#find(node);
    if (!from || this.closed.has(node)) return false;
    this.sent.push({ node, port, message });
    const to = (from.wires?.[port] ?? []).flatMap((id) => this.#find(id) ?? []);
    const id = message.build?.id;
    if (id !== undefined && to.length > 0) {
      const places = to.map((each) => ({ node: each.id, type: each.type, instance: this.instance() }));
      this.supervisor?.messageSent(message, node, true, places);
    }
    for (const each of to) setImmediate(() => this.inputs.get(each.id)?.(this.copy(message)));
    return true;
  }

  inject(node: string, message: Message): boolean {
    if (!this.#find(node) || this.closed.has(node)) return false;
    this.inputs.get(node)?.(message);
    return true;
  }

  instance(): NodeInstance {
    return { alive: () => true };
  }

  graph(): FlowGraph {
    return this.#graph;
  }

  logSettings(): LogSettings | undefined {
    return this.logs;
  }

  reviewSettings(node: string): ReviewSettings | undefined {
    return this.closed.has(node) || !this.#find(node) ? undefined : { ...this.review, node };
  }

  copy(message: Message): Message {
    return structuredClone(message);
  }

  emit(event: BuildEvent): void {
    this.events.push(event);
    this.onEvent(event);
  }

  /** What was reported so far, or would have been: the jobs' names by buildset and gerrit-review. */
  reports(): { set: string; review: string; jobs: string[] }[] {
    return this.events.flatMap((event) => {
      if (event.kind !== 'report') return [];
      const { set, node, state } = event;
      const jobs = 'message' in state ? state.message.split('\n').filter((line) => line !== '') : [];
      return [{ set, review: node, jobs }];
    });
  }

  /** Returns the texts of all warnings so far. */
  warnings(): string[] {
    return this.events.flatMap((event) => (event.kind === 'warning' ? [event.message] : []));
  }

  #find(id: string): FlowNode | undefined {
    return this.#nodes.find((node) => node.id === id);
  }
}

let triggers = 0;

/** Returns a request to run jobs for patchset 1 of change 1, with a new trigger. */
export const request = (jobs: string[], more: Partial<StartRequest> = {}): StartRequest => ({
  node: 'jobs',
  pipeline: 'check',
  change: { server: 'gerrit', project: 'demo', number: 1, patchset: 1 },
  trigger: { type: 'patchset', key: `trigger-${triggers++}`, reason: 'patchset 1 was uploaded' },
  jobs: jobs.map((name) => ({ name, voting: true, port: 0, env: {}, timeout: 60_000 })),
  trusted: true,
  supersede: true,
  idle: 60_000,
  message: {},
  ...more,
});
