import type { Node, NodeAPI } from 'node-red';
import type { StepSpec, StepWork } from '../../lib/builds/step.ts';
import type { Offer } from './flow-adapter.ts';
import { onInput } from './handler.ts';
import { enter, type Runtime } from './runtime.ts';

/**
 * Sets up a node as a step of builds: its messages go to the supervisor, which runs the work and sends them on.
 *
 * @param makeWork returns the work of the step; `key` is the key of the node
 */
export function stepNode(
  RED: NodeAPI,
  node: Node,
  step: Partial<Omit<StepSpec, 'node'>>,
  makeWork: (runtime: Runtime, key: string) => StepWork,
  offer?: Offer,
): void {
  const { runtime, key } = enter(RED, node, offer);
  const work = makeWork(runtime, key);
  const spec: StepSpec = {
    type: node.type,
    name: node.name || node.type,
    when: 'passing',
    timed: false,
    ...step,
    node: key,
  };
  onInput(node, (message) => runtime.supervisor.step(spec, message, work));
}
