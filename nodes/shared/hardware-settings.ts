import { pickHardware } from '../../lib/worker/hardware.ts';
import type { Hardware, Network } from '../../lib/worker/types.ts';
import { rowsOf, textOf } from './settings.ts';

/** What the forms of vm-image and virsh-boot save about a guest's virtual hardware; older flows have none of it. */
export interface HardwareConfig {
  /** Empty: the image's setting, else the worker's default. */
  cpu?: string;
  /** Empty: the image's setting, else BIOS. */
  firmware?: string;
}

/** Returns the hardware that is set; empty settings are left out. */
export function hardwareOf({ cpu, firmware }: HardwareConfig): Hardware {
  const start = textOf(firmware).toLowerCase();
  return pickHardware({ cpu: textOf(cpu) }, start === 'bios' || start === 'uefi' ? { firmware: start } : {});
}

/** Returns the networks of a list of rows; rows without a name are left out. */
export const networksOf = (rows: unknown): Network[] =>
  rowsOf<{ source?: unknown; mac?: unknown }>(rows)
    .filter((row) => textOf(row.source))
    .map((row) => ({ source: textOf(row.source), ...(textOf(row.mac) ? { mac: textOf(row.mac) } : {}) }));
