import type { Node, NodeAPI, NodeDef } from 'node-red';
import { metadataStep } from '../../lib/builds/steps.ts';
import { numberOf, textOf } from '../shared/settings.ts';
import { stepNode } from '../shared/step-node.ts';
import { readKeysFile } from '../shared/text-file.ts';
import { userDataAdmin } from './admin.ts';

interface Config extends NodeDef {
  hostname: string;
  userData: string;
  authorizedKeys: string;
  authorizedKeysFile: string;
  vendorData: string;
  way: 'ssh' | 'listen';
  listenAddress: string;
  listenPort: string;
}

/** metadata-server: publishes each guest's own cloud-init metadata. */
export default function (RED: NodeAPI): void {
  userDataAdmin(RED);
  RED.nodes.registerType('metadata-server', function (this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const listenAt =
      config.way === 'listen'
        ? { address: textOf(config.listenAddress, '127.0.0.1'), port: numberOf(config.listenPort, 8080, 1) }
        : undefined;
    stepNode(RED, this, {}, (runtime) => async (context) => {
      const settings = {
        ...(listenAt ? { listenAt } : {}),
        hostname: textOf(config.hostname, '{{job}}-{{guest}}'),
        userData: config.userData ?? '',
        vendorData: config.vendorData ?? '',
        authorizedKeys: config.authorizedKeys ?? '',
        authorizedKeysFile: readKeysFile(this.name || this.type, config.authorizedKeysFile),
      };
      return metadataStep(context, settings, runtime.services);
    });
  });
}
