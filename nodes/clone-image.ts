import type { Node, NodeAPI, NodeDef } from 'node-red';
import { cloneStep } from '../lib/build/steps/clone.ts';
import { numberOf, rowsOf, textOf } from './shared/settings.ts';
import { stepNode } from './shared/step-node.ts';
import { useTexts } from './shared/texts.ts';
import type { VmImageNode } from './vm-image.ts';
import type { WorkerHostNode } from './worker-host.ts';

interface Config extends NodeDef {
  image: string;
  hosts: string[];
  guest: string;
  addressEnv: string;
  wait: string;
}

/** clone-image: one guest's disk, copy-on-write. */
export default function (RED: NodeAPI): void {
  useTexts('clone-image', RED);
  RED.nodes.registerType('clone-image', function (this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const guest = textOf(config.guest, 'vm');
    const name = this.name || `clone ${guest}`;
    stepNode(RED, this, { name, guest }, (runtime) => async (context) => {
      // Looked up at each build: a deploy may have changed the configuration nodes alone.
      const image = RED.nodes.getNode(config.image) as VmImageNode | null;
      const workers = () =>
        rowsOf<string>(config.hosts)
          .map((id) => (RED.nodes.getNode(id) as WorkerHostNode | null)?.worker)
          .filter((worker) => worker !== undefined);
      return cloneStep(
        context,
        {
          node: name,
          image: image?.spec(),
          workers,
          guest,
          addressEnv: textOf(config.addressEnv),
          wait: numberOf(config.wait, 60) * 60_000,
        },
        runtime.services,
      );
    });
  });
}
