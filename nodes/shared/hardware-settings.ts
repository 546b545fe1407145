import { pickHardware } from '../../lib/worker/hardware.ts';
import type { Hardware, Network } from '../../lib/worker/types.ts';
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

/** Rows of networks, those without a name left out. */
export const networksOf = (rows: unknown): Network[] =>
  rowsOf<{ source?: unknown; mac?: unknown }>(rows)
    .filter((row) => textOf(row.source))
    .map((row) => ({ source: textOf(row.source), ...(textOf(row.mac) ? { mac: textOf(row.mac) } : {}) }));
