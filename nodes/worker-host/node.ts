import type { NodeAPI } from 'node-red';
import type { WorkerHostNode } from '../shared/config-nodes.ts';
import { guard } from '../shared/handler.ts';
import { runtimeOf } from '../shared/runtime.ts';
import { workerAdmin } from './admin.ts';
import { attend } from './reaper.ts';
import { type WorkerConfig, workerOf } from './settings.ts';

/** worker-host: a machine on which guests run. */
export default function (RED: NodeAPI): void {
  workerAdmin(RED);
  RED.nodes.registerType('worker-host', function (this: WorkerHostNode, config: WorkerConfig) {
    RED.nodes.createNode(this, config);
    const runtime = runtimeOf(RED);
    // Looked up at each use: a deploy may have changed only its ssh-host.
    Object.defineProperty(this, 'worker', { get: () => workerOf(RED, runtime, config).worker });
    this.attended = false;
    this.attend = () => {
      if (this.attended) return;
      this.attended = true;
      guard(this, async () => attend(this, runtime, workerOf(RED, runtime, config)));
    };
  });
}
