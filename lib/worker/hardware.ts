import type { Hardware } from './types.ts';

/** Merges hardware requests: the first request that names a part decides it. */
export function pickHardware(...requests: readonly Hardware[]): Hardware {
  const cpu = requests.find((one) => one.cpu)?.cpu;
  const firmware = requests.find((one) => one.firmware)?.firmware;
  return { ...(cpu ? { cpu } : {}), ...(firmware ? { firmware } : {}) };
}
