import type { NodeAPI, NodeDef } from 'node-red';
import { noParent, parentCircle } from '../../lib/errors/image.ts';
import { withKey } from '../../lib/storage/image-key.ts';
import type { ImageSpec } from '../../lib/worker/types.ts';
import { configNode, type VmImageNode } from '../shared/config-nodes.ts';
import { imageAdmin } from './admin.ts';
import { logCycles } from './cycles.ts';
import { type ImageConfig, imageName, imageOf } from './settings.ts';

/** vm-image: the image from which a guest's disk is cloned. */
export default function (RED: NodeAPI): void {
  imageAdmin(RED);
  logCycles(RED);
  RED.nodes.registerType('vm-image', function (this: VmImageNode, config: ImageConfig & NodeDef) {
    RED.nodes.createNode(this, config);
    this.spec = (children = []) => {
      const line = [...children, this];
      const parentOf = (): ImageSpec => {
        const parent = configNode(RED, 'vm-image', config.parent);
        if (!parent) throw noParent(imageName(config.name));
        const at = line.indexOf(parent);
        if (at >= 0) throw parentCircle(line.slice(at).map((node) => imageName(node.name)));
        return parent.spec(line);
      };
      return withKey(imageOf(config, parentOf), Date.now());
    };
  });
}
