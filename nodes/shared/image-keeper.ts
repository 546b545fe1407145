import type { NodeAPI } from 'node-red';
import { noImageSelected } from '../../lib/errors/build.ts';
import type { ImageBuilder } from '../../lib/images/builder.ts';
import { ImageCollector } from '../../lib/images/gc.ts';
import type { ImageSpec, Worker } from '../../lib/worker/types.ts';
import { configNodes, type WorkerHostNode } from './config-nodes.ts';

/** Removes images that no vm-image of the deployed flow is any more, from the worker hosts of that flow. */
export function keepImages(RED: NodeAPI, builder: ImageBuilder): ImageCollector {
  return new ImageCollector(builder, {
    images: (): ImageSpec[] =>
      configNodes(RED, 'vm-image').map((node) => {
        // A disabled image may be needed again.
        if (!node) throw noImageSelected('vm-image');
        return node.spec();
      }),
    // As after a crash, workers that no node uses are left alone.
    workers: (): Worker[] =>
      configNodes(RED, 'worker-host').flatMap((node) => (node?.attended && workerOf(node)) || []),
    onCollected(worker, what) {
      if ('removed' in what) RED.log.info(`[vm-image] ${worker.label}: removed ${what.removed.join(', ')}`);
      else RED.log.warn(`[vm-image] ${what.failed}`);
    },
  });
}

/** Returns the node's worker; undefined if its settings are not valid, which the nodes that use it report. */
function workerOf(node: WorkerHostNode): Worker | undefined {
  try {
    return node.worker;
  } catch {
    return undefined;
  }
}
