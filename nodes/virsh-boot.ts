import type { Node, NodeAPI, NodeDef } from 'node-red';
import { bootStep } from '../lib/build/steps/boot.ts';
import { numberOf, rowsOf, textOf } from './shared/settings.ts';
import { stepNode } from './shared/step-node.ts';
import { useTexts } from './shared/texts.ts';

interface Config extends NodeDef {
  memory: string;
  vcpus: string;
  networks: { source: string; mac?: string }[];
  guests: { guest: string; memory?: string; vcpus?: string }[];
  timeout: string;
}

/** virsh-boot: boots the build's guests and waits for a login. */
export default function (RED: NodeAPI): void {
  useTexts('virsh-boot', RED);
  RED.nodes.registerType('virsh-boot', function (this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const memory = numberOf(config.memory, 1024, 64);
    const vcpus = numberOf(config.vcpus, 1, 1);
    const settings = {
      memory,
      vcpus,
      networks: rowsOf<Config['networks'][number]>(config.networks)
        .filter((row) => textOf(row.source))
        .map((row) => ({ source: textOf(row.source), ...(textOf(row.mac) ? { mac: textOf(row.mac) } : {}) })),
      guests: rowsOf<Config['guests'][number]>(config.guests).map((row) => ({
        guest: textOf(row.guest),
        memory: numberOf(row.memory, memory, 64),
        vcpus: numberOf(row.vcpus, vcpus, 1),
      })),
      timeout: numberOf(config.timeout, 300, 1) * 1000,
    };
    stepNode(RED, this, {}, (runtime) => (context) => bootStep(context, settings, runtime.services));
  });
}
