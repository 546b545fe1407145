import { pickHardware } from '../../lib/worker/hardware.ts';
import type { Hardware, Network } from '../../lib/worker/types.ts';
import { rowsOf, textOf } from './settings.ts';

/** Settings of vm-image and virsh-boot for a guest's virtual hardware. Flows saved by older versions lack them. */
export interface HardwareConfig {
  /** CPU model; if empty, the image's setting or else the worker's default. */
  cpu?: string;
  /** `bios` or `uefi`; if empty, the image's setting or else BIOS. */
  firmware?: string;
}

/** Returns the hardware from the settings, without empty ones. */
export function hardwareOf({ cpu, firmware }: HardwareConfig): Hardware {
  const start = textOf(firmware).toLowerCase();
  return pickHardware({ cpu: textOf(cpu) }, start === 'bios' || start === 'uefi' ? { firmware: start } : {});
}

/** Returns the networks from a list of rows. Rows without a network are skipped. */
export const networksOf = (rows: unknown): Network[] =>
  rowsOf<{ source?: unknown; mac?: unknown }>(rows)
    .filter((row) => textOf(row.source))
    .map((row) => ({ source: textOf(row.source), ...(textOf(row.mac) ? { mac: textOf(row.mac) } : {}) }));
