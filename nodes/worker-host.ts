import { join } from 'node:path';
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { sandboxWorker } from '../lib/worker/sandbox.ts';
import type { Worker } from '../lib/worker/types.ts';
import { guard } from './shared/handler.ts';
import { runtimeOf } from './shared/runtime.ts';
import { flagOf, numberOf, textOf } from './shared/settings.ts';
import { useTexts } from './shared/texts.ts';

interface Config extends NodeDef {
  kind: 'sandbox';
  path: string;
  slots: string;
  strangers: boolean;
}

export interface WorkerHostNode extends Node {
  worker: Worker;
}

/** Workers that were looked over for what a crash left, by their folder: once a process. */
const reaped = new Set<string>();

/** worker-host: a machine that guests run on. */
export default function (RED: NodeAPI): void {
  useTexts('worker-host', RED);
  RED.nodes.registerType('worker-host', function (this: WorkerHostNode, config: Config) {
    RED.nodes.createNode(this, config);
    const runtime = runtimeOf(RED);
    const root = textOf(config.path, join(runtime.stateDir, 'worker'));
    this.worker = sandboxWorker({
      id: config.id,
      label: `worker ${textOf(config.name, 'this machine')}`,
      slots: numberOf(config.slots, 2, 1),
      strangers: flagOf(config.strangers),
      root,
    });
    if (reaped.has(root)) return;
    reaped.add(root);
    guard(this, () => runtime.supervisor.reap(this.worker, (owner) => runtime.services.images.owns(owner)));
  });
}
