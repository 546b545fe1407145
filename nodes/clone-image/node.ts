import type { Node, NodeAPI, NodeDef } from 'node-red';
import { cloneStep } from '../../lib/builds/steps.ts';
import type { Worker } from '../../lib/worker/types.ts';
import { configNode } from '../shared/config-nodes.ts';
import { numberOf, rowsOf, textOf } from '../shared/settings.ts';
import { stepNode } from '../shared/step-node.ts';

interface Config extends NodeDef {
  image: string;
  hosts: string[];
  guest: string;
  addressEnv: string;
  wait: string;
}

/** clone-image: clones an image for one guest, copy-on-write. */
export default function (RED: NodeAPI): void {
  RED.nodes.registerType('clone-image', function (this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    for (const id of rowsOf<string>(config.hosts)) configNode(RED, 'worker-host', id)?.attend();
    const guest = textOf(config.guest, 'vm');
    const name = this.name || `clone ${guest}`;
    // Looked up at each build: a deploy may have changed only the configuration nodes.
    const workers = () => workersOf(RED, rowsOf<string>(config.hosts));
    const image = () => configNode(RED, 'vm-image', config.image)?.spec();
    const wait = numberOf(config.wait, 60) * 60_000;
    const addressEnv = textOf(config.addressEnv);
    stepNode(
      RED,
      this,
      { name, guest },
      ({ services, flow }, key) =>
        async (context) => {
          const later = () => flow.clonesAfter(key);
          return cloneStep(context, { node: name, image: image(), workers, guest, addressEnv, wait, later }, services);
        },
      { clone: () => ({ image: image(), workers: workers() }) },
    );
  });
}

/**
 * Returns the workers of worker-host nodes, without those whose settings are not valid.
 *
 * @throws CiError of the first invalid node if no worker is left
 */
function workersOf(RED: NodeAPI, hosts: string[]): Worker[] {
  const faults: unknown[] = [];
  const workers = hosts.flatMap((id) => {
    try {
      return configNode(RED, 'worker-host', id)?.worker ?? [];
    } catch (error) {
      faults.push(error);
      return [];
    }
  });
  if (workers.length === 0 && faults.length > 0) throw faults[0];
  return workers;
}
