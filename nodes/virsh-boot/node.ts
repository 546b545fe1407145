import type { Node, NodeAPI, NodeDef } from 'node-red';
import { bootStep } from '../../lib/builds/steps.ts';
import { DEFAULT_CLOUD_INIT_LIMIT_MINUTES } from '../../lib/guests/ready.ts';
import { type HardwareConfig, hardwareOf, networksOf } from '../shared/hardware-settings.ts';
import { numberOf, rowsOf, textOf } from '../shared/settings.ts';
import { stepNode } from '../shared/step-node.ts';
import { domainAdmin } from './admin.ts';

interface Config extends NodeDef, HardwareConfig {
  memory: string;
  vcpus: string;
  networks: { source: string; mac?: string }[];
  guests: { guest: string; memory?: string; vcpus?: string }[];
  template: string;
  timeout: string;
  cloudInit?: string;
}

/** virsh-boot: boots the build's guests and waits for a login. */
export default function (RED: NodeAPI): void {
  domainAdmin(RED);
  RED.nodes.registerType('virsh-boot', function (this: Node, config: Config) {
    RED.nodes.createNode(this, config);
    const memory = numberOf(config.memory, 1024, 64);
    const vcpus = numberOf(config.vcpus, 1, 1);
    const settings = {
      memory,
      vcpus,
      networks: networksOf(config.networks),
      guests: rowsOf<Config['guests'][number]>(config.guests).map((row) => ({
        guest: textOf(row.guest),
        memory: numberOf(row.memory, memory, 64),
        vcpus: numberOf(row.vcpus, vcpus, 1),
      })),
      ...hardwareOf(config),
      ...(textOf(config.template) ? { template: textOf(config.template) } : {}),
      timeout: numberOf(config.timeout, 300, 1) * 1000,
      cloudInit: numberOf(config.cloudInit, DEFAULT_CLOUD_INIT_LIMIT_MINUTES, 0) * 60_000,
    };
    stepNode(RED, this, {}, (runtime) => (context) => bootStep(context, settings, runtime.services));
  });
}
