import type { NodeAPI } from 'node-red';
import { noImage } from '../../lib/errors/build.ts';
import type { ImageBuilder } from '../../lib/images/builder.ts';
import { ImageCollector } from '../../lib/images/gc.ts';
import type { ImageSpec, Worker } from '../../lib/worker/types.ts';
import { configNodes, type WorkerHostNode } from './config-nodes.ts';

/** Removes images that no vm-image of the deployed flow is any more, from the worker hosts of that flow. */
export function keepImages(RED: NodeAPI, builder: ImageBuilder): ImageCollector {
  return new ImageCollector(builder, {
    images: (): ImageSpec[] =>
      configNodes(RED, 'vm-image').map((node) => {
        // One that is disabled may be wanted again.
        if (!node) throw noImage('vm-image');
        return node.spec();
      }),
    // As of a crash, nothing is looked for on a worker that no node uses.
    workers: (): Worker[] =>
      configNodes(RED, 'worker-host').flatMap((node) => (node?.attended && workerOf(node)) || []),
    onCollected(worker, what) {
      if ('removed' in what) RED.log.info(`[vm-image] ${worker.label}: removed ${what.removed.join(', ')}`);
      else RED.log.warn(`[vm-image] ${what.failed}`);
    },
  });
}

/** The node's worker; undefined where its settings make none, which its users say. */
function workerOf(node: WorkerHostNode): Worker | undefined {
  try {
    return node.worker;
  } catch {
    return undefined;
  }
}
