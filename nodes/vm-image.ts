import type { Node, NodeAPI, NodeDef } from 'node-red';
import { noParent, parentCircle } from '../lib/errors/image.ts';
import { withKey } from '../lib/storage/image-key.ts';
import type { ImageSpec } from '../lib/worker/types.ts';
import { imageAdmin } from './shared/image-admin.ts';
import { tellCircles } from './shared/image-circles.ts';
import { type ImageConfig, imageName, imageOf } from './shared/image-settings.ts';
import { useTexts } from './shared/texts.ts';

export interface VmImageNode extends Node {
  /**
   * The image as it is set now, with the key of what it is made of. Its parent is looked up and its scripts' files are
   * read at each call: a deploy may have changed the parent alone.
   *
   * @param children the images that ask for it as their parent, the first one asked for first
   * @throws CiError where its parent or a file is missing, or where it is its own parent
   */
  spec(children?: readonly VmImageNode[]): ImageSpec;
}

/** vm-image: what a guest's disk starts as. */
export default function (RED: NodeAPI): void {
  useTexts('vm-image', RED);
  imageAdmin(RED);
  tellCircles(RED);
  RED.nodes.registerType('vm-image', function (this: VmImageNode, config: ImageConfig & NodeDef) {
    RED.nodes.createNode(this, config);
    this.spec = (children = []) => {
      const line = [...children, this];
      const parentOf = (): ImageSpec => {
        const parent = RED.nodes.getNode(config.parent) as VmImageNode | null;
        if (parent?.type !== 'vm-image') throw noParent(imageName(config.name));
        const at = line.indexOf(parent);
        if (at >= 0) throw parentCircle(line.slice(at).map((node) => imageName(node.name)));
        return parent.spec(line);
      };
      return withKey(imageOf(config, parentOf), Date.now());
    };
  });
}
