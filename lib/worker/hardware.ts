import type { Hardware } from './types.ts';

/** The virtual hardware that is wished for, each part by the first that names it; what nobody names is left out. */
export function pickHardware(...wishes: readonly Hardware[]): Hardware {
  const cpu = wishes.find((wish) => wish.cpu)?.cpu;
  const firmware = wishes.find((wish) => wish.firmware)?.firmware;
  return { ...(cpu ? { cpu } : {}), ...(firmware ? { firmware } : {}) };
}
