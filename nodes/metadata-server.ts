import { readFile } from 'node:fs/promises';
import type { Node, NodeAPI, NodeDef } from 'node-red';
import { metadataStep } from '../lib/build/steps/metadata.ts';
import { messageOf } from '../lib/errors/ci-error.ts';
import { keyFileUnreadable } from '../lib/errors/ssh-settings.ts';
import { numberOf, textOf } from './shared/settings.ts';
import { stepNode } from './shared/step-node.ts';
import { useTexts } from './shared/texts.ts';
import { userDataAdmin } from './shared/user-data-check.ts';

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

/** metadata-server: each guest's own cloud-init metadata. */
export default function (RED: NodeAPI): void {
  useTexts('metadata-server', RED);
  userDataAdmin(RED);
  RED.nodes.registerType('metadata-server', function (this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const listenAt =
      config.way === 'listen'
        ? { address: textOf(config.listenAddress, '127.0.0.1'), port: numberOf(config.listenPort, 8080, 1) }
        : undefined;
    stepNode(RED, this, {}, (runtime) => async (context) => {
      const file = textOf(config.authorizedKeysFile);
      const settings = {
        ...(listenAt ? { listenAt } : {}),
        hostname: textOf(config.hostname, '{{job}}-{{guest}}'),
        userData: config.userData ?? '',
        vendorData: config.vendorData ?? '',
        authorizedKeys: config.authorizedKeys ?? '',
        authorizedKeysFile: file
          ? await readFile(file, 'utf8').catch((error: unknown) => {
              throw keyFileUnreadable(this.name || this.type, file, messageOf(error));
            })
          : '',
      };
      return metadataStep(context, settings, runtime.services);
    });
  });
}
