import type { Node, NodeAPI } from 'node-red';
import type { Worker } from '../lib/worker/types.ts';
import { guard } from './shared/handler.ts';
import { runtimeOf } from './shared/runtime.ts';
import { useTexts } from './shared/texts.ts';
import { workerAdmin } from './shared/worker-check.ts';
import { attend } from './shared/worker-reaper.ts';
import { type WorkerConfig, workerOf } from './shared/workers.ts';

export interface WorkerHostNode extends Node {
  /** The worker as it is set now: the same one as before where nothing changed. @throws CiError where it cannot be made */
  readonly worker: Worker;
  /** Holds its connection and clears up what a crash left there; a worker that no node of the flow uses is left alone. */
  attend(): void;
  /** Whether a node of the flow uses it. */
  attended: boolean;
}

/** worker-host: a machine that guests run on. */
export default function (RED: NodeAPI): void {
  useTexts('worker-host', RED);
  workerAdmin(RED);
  RED.nodes.registerType('worker-host', function (this: WorkerHostNode, config: WorkerConfig) {
    RED.nodes.createNode(this, config);
    const runtime = runtimeOf(RED);
    // Made when it is asked for: a deploy may have changed its ssh-host alone.
    Object.defineProperty(this, 'worker', { get: () => workerOf(RED, runtime, config).worker });
    this.attended = false;
    this.attend = () => {
      if (this.attended) return;
      this.attended = true;
      guard(this, async () => attend(this, runtime, workerOf(RED, runtime, config)));
    };
  });
}
