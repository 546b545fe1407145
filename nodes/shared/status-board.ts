import type { NodeStatus } from 'node-red';
import type { BuildEvent } from '../../lib/builds/types.ts';
import { formatStopwatch } from '../../lib/util/format.ts';
import type { Translate } from './i18n.ts';
import { reportStatus } from './report-status.ts';

/** A build or step that is running. */
interface Busy {
  label: string;
  /** Start time, in milliseconds since the epoch. */
  at: number;
  /** Key of the text for its progress, and its values. */
  what?: string;
  values?: Record<string, string | number>;
}

/** State of one node. */
interface Row {
  type: string;
  busy: Map<string, Busy>;
  /** Only for ci-jobs: the ids of its builds that wait for a slot. */
  waiting: Set<string>;
  passed: number;
  failed: number;
  /** Status while nothing is running. */
  rest?: NodeStatus;
}

/** Node types that show "ready" until their first build. */
const READY = new Set(['clone-image', 'metadata-server', 'virsh-boot', 'ssh-exec', 'publish-logs']);

/** Sets the status of a node, by key. Returns false if the node is not deployed. */
export type ShowStatus = (node: string, status: NodeStatus) => boolean;

/** Shows the progress of builds in the status of nodes. There is one per process, so that a redeploy keeps them. */
export class Board {
  readonly #rows = new Map<string, Row>();
  readonly #show: ShowStatus;
  readonly #t: Translate;
  #tick: NodeJS.Timeout | undefined;

  constructor(show: ShowStatus, t: Translate) {
    this.#show = show;
    this.#t = t;
  }

  /** Adds a node that was deployed, by key. If it is known, it shows its previous status. */
  enter(node: string, type: string): void {
    const row = this.#rows.get(node);
    if (row?.type !== type) this.#rows.set(node, { type, busy: new Map(), waiting: new Set(), passed: 0, failed: 0 });
    if (READY.has(type)) this.#paint(node, this.#rows.get(node)!);
  }

  /** Updates the status of the nodes that an event concerns. */
  take(event: BuildEvent): void {
    this.#noteWaiting(event);
    const row = this.#rows.get(event.node);
    if (!row) return;
    switch (event.kind) {
      case 'build-started':
        row.busy.set(event.build!.id, { label: event.label, at: Date.now() });
        row.rest = undefined;
        break;
      case 'build-ended':
        row.busy.delete(event.build!.id);
        break;
      case 'step-started':
        row.busy.set(event.id ?? event.label, { label: event.label, at: event.at });
        break;
      case 'step-progress': {
        const busy = row.busy.get(event.id ?? event.label);
        if (busy) Object.assign(busy, { what: event.what, values: event.values });
        break;
      }
      case 'step-ended':
        row.busy.delete(event.id ?? event.label);
        if (event.result === 'SUCCESS') {
          row.passed += 1;
          row.rest = undefined;
        } else {
          row.failed += 1;
          row.rest = { fill: 'red', shape: 'ring', text: this.#trouble(event) };
        }
        break;
      case 'report': {
        const status = reportStatus(this.#t, event.label, event.state);
        if (!status) return;
        row.rest = status;
        break;
      }
      case 'warning':
        row.rest = { fill: 'yellow', shape: 'ring', text: event.message.slice(0, 60) };
        break;
      default:
        return;
    }
    this.#paint(event.node, row);
  }

  /** Sets the status that a node shows while nothing is running. */
  rest(node: string, status: NodeStatus): void {
    const row = this.#rows.get(node);
    if (!row) return;
    row.rest = status;
    this.#paint(node, row);
  }

  /** Stops the timer that updates elapsed times. */
  stop(): void {
    clearInterval(this.#tick);
    this.#tick = undefined;
  }

  /** Updates how many builds of a ci-jobs node wait for a slot. */
  #noteWaiting(event: BuildEvent): void {
    const row = this.#rows.get(event.jobs ?? '');
    if (!row || !event.id) return;
    const before = row.waiting.size;
    if (event.kind === 'step-progress' && event.what === 'waiting') row.waiting.add(event.id);
    else row.waiting.delete(event.id);
    if (row.waiting.size !== before) this.#paint(event.jobs!, row);
  }

  #trouble(event: BuildEvent & { kind: 'step-ended' }): string {
    const step = event.message?.match(/exited with code \d+|signal \w+/)?.[0].replace('exited with code', 'exit');
    return `${event.result}: ${step ?? event.message ?? ''}`.slice(0, 60);
  }

  #paint(node: string, row: Row): void {
    this.#show(node, this.#status(row));
    const working = [...this.#rows.values()].some(({ busy, type }) => busy.size > 0 && type !== 'ci-jobs');
    if (!working) this.stop();
    else this.#tick ??= setInterval(() => this.#repaint(), 1000).unref();
  }

  #repaint(): void {
    for (const [node, row] of this.#rows) {
      if (row.busy.size > 0 && row.type !== 'ci-jobs') this.#show(node, this.#status(row));
    }
  }

  #status({ type, busy, waiting, passed, failed, rest }: Row): NodeStatus {
    const first = busy.values().next().value;
    if (type === 'ci-jobs') {
      if (!first) return rest ?? { fill: 'grey', shape: 'dot', text: this.#t(type, 'status.idle') };
      if (waiting.size === 0)
        return { fill: 'blue', shape: 'dot', text: this.#t(type, 'status.running', { running: busy.size }) };
      const counts = { running: busy.size - waiting.size, waiting: waiting.size };
      return {
        fill: 'blue',
        shape: counts.running > 0 ? 'dot' : 'ring',
        text: this.#t(type, 'status.runningWaiting', counts),
      };
    }
    if (first) {
      const held = first.what === 'waiting';
      const what = first.what ? ` ${this.#t(type, `status.${first.what}`, first.values)}` : '';
      const more = busy.size > 1 ? ` +${busy.size - 1}` : '';
      const shape = held ? 'ring' : 'dot';
      return {
        fill: held ? 'yellow' : 'blue',
        shape,
        // While waiting, the place in line is enough: the canvas has little room.
        text: `${first.label}${more}${what}${held ? '' : ` ${formatStopwatch(Date.now() - first.at)}`}`,
      };
    }
    if (rest) return rest;
    if (passed + failed === 0) return { fill: 'grey', shape: 'dot', text: this.#t(type, 'status.ready') };
    const counts = failed > 0 ? 'status.counts' : 'status.passed';
    return { fill: 'green', shape: 'dot', text: this.#t(type, counts, { passed, failed }) };
  }
}
