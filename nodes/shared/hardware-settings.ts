import type { NodeAPI, NodeDef } from 'node-red';
import { pickHardware } from '../../lib/worker/hardware.ts';
import type { Hardware, ImageSpec } from '../../lib/worker/types.ts';
import type { VmImageNode } from '../vm-image.ts';
import { rowsOf, textOf } from './settings.ts';

/** What the forms of vm-image and virsh-boot save of a guest's virtual hardware; flows from before have none of it. */
export interface HardwareConfig {
  /** Empty: as the image says, or the worker chooses. */
  cpu?: string;
  /** Empty: as the image says, or BIOS. */
  firmware?: string;
}

/** What is set, without what is empty. */
export function hardwareOf({ cpu, firmware }: HardwareConfig): Hardware {
  const start = textOf(firmware).toLowerCase();
  return pickHardware({ cpu: textOf(cpu) }, start === 'bios' || start === 'uefi' ? { firmware: start } : {});
}

/** Names of the images that the deployed flow clones on a worker host, and that need UEFI. */
export function uefiImages(RED: NodeAPI, worker: string): string[] {
  const names = new Set<string>();
  RED.nodes.eachNode((node) => {
    const { type, hosts, image } = node as NodeDef & { hosts?: unknown; image?: string };
    if (type !== 'clone-image' || !rowsOf<string>(hosts).includes(worker)) return;
    const spec = specOf(RED.nodes.getNode(image ?? '') as VmImageNode | null);
    if (spec?.firmware === 'uefi') names.add(spec.name);
  });
  return [...names];
}

/** The node's image; undefined if its settings make none, which builds that use it say. */
function specOf(node: VmImageNode | null): ImageSpec | undefined {
  try {
    return node?.spec();
  } catch {
    return undefined;
  }
}
