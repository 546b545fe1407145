import { factsUnread } from '../errors/worker.ts';
import type { Host } from '../ssh/types.ts';
import { program } from '../util/program.ts';
import type { HostCapacity } from '../worker/types.ts';

/** Within what a worker takes a build. */
export interface CapacityLimits {
  /** MiB of memory that must be free. */
  memory: number;
  /** Load average over a minute that it may have. */
  load: number;
}

/** Bytes that are read: a QEMU's command line has some thousand. */
const OUTPUT_LIMIT = 4 << 20;

/** As rally-ci had them: freemb and maxla. */
export const CAPACITY_LIMITS: CapacityLimits = { memory: 1024, load: 4 };

const READ = program(import.meta.url, 'read-capacity');

/**
 * Reads /proc/meminfo (MemAvailable) and /proc/loadavg (proc(5)) of the worker. Memory that a running guest was given and
 * has not touched yet is not free.
 *
 * @param promised MiB that each guest may take, by the name of its domain
 * @throws CiError where they make no sense
 */
export async function hostCapacity(
  host: Host,
  limits: CapacityLimits,
  signal: AbortSignal,
  promised: ReadonlyMap<string, number> = new Map(),
): Promise<HostCapacity> {
  const { stdout } = await host.run(['sh', '-c', READ], { signal, limit: OUTPUT_LIMIT });
  const capacity = readCapacity(stdout, limits, promised);
  if (capacity === undefined) throw factsUnread(host.label);
  return capacity;
}

/** MiB that guests were promised and have not taken; one that has no QEMU has ended. */
function notTaken(text: string, promised: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [, taken, domain] of text.matchAll(/^ *(\d+) .*\bguest=([^, ]+),/gm))
    sum += Math.max(0, (promised.get(domain!) ?? 0) - Number(taken) / 1024);
  return sum;
}

/** The room by what READ printed; undefined where it makes no sense. */
export function readCapacity(
  text: string,
  limits: CapacityLimits,
  promised: ReadonlyMap<string, number> = new Map(),
): HostCapacity | undefined {
  const free = Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1]) / 1024;
  const memory = Math.max(0, Math.floor(free - notTaken(text, promised)));
  const load = Number(/^(\d+\.\d+) \d+\.\d+ \d+\.\d+ /m.exec(text)?.[1]);
  if (Number.isNaN(memory) || Number.isNaN(load)) return undefined;
  const reason = reasonAgainst(memory, load, limits);
  return reason === undefined ? { memory, load } : { memory, load, reason };
}

function reasonAgainst(memory: number, load: number, limits: CapacityLimits): string | undefined {
  if (memory < limits.memory) return `has ${memory} MiB of free memory, and ${limits.memory} are wanted`;
  if (load > limits.load) return `has a load of ${load}, and takes builds up to ${limits.load}`;
  return undefined;
}
