import { createHash } from 'node:crypto';
import type { Node, NodeAPI, NodeDef } from 'node-red';
import type { ImageSpec } from '../lib/worker/types.ts';
import { textOf } from './shared/settings.ts';
import { useTexts } from './shared/texts.ts';

interface Config extends NodeDef {
  source: 'empty' | 'directory';
  path: string;
  loginUser: string;
}

export interface VmImageNode extends Node {
  image: ImageSpec;
}

/** vm-image: what a guest's disk starts as. */
export default function (RED: NodeAPI): void {
  useTexts('vm-image', RED);
  RED.nodes.registerType('vm-image', function (this: VmImageNode, config: Config) {
    RED.nodes.createNode(this, config);
    const source: ImageSpec['source'] =
      config.source === 'directory' ? { kind: 'directory', path: textOf(config.path) } : { kind: 'empty' };
    const loginUser = textOf(config.loginUser, 'ci');
    this.image = {
      name: textOf(config.name, 'image').replace(/[^A-Za-z0-9._-]+/g, '-'),
      key: createHash('sha256').update(JSON.stringify(source)).digest('hex').slice(0, 12),
      source,
      loginUser,
    };
  });
}
