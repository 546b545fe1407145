import { factsUnread } from '../errors/worker.ts';
import type { Host } from '../ssh/types.ts';
import { program } from '../util/program.ts';
import type { HostCapacity } from '../worker/types.ts';

/** The limits within which a worker accepts a build. */
export interface CapacityLimits {
  /** Minimum free memory, in MiB. */
  memory: number;
  /** Maximum load average over one minute. */
  load: number;
}

/** The command line of each QEMU process has a few thousand bytes. */
const MAX_OUTPUT_BYTES = 4 << 20;

/** The defaults of rally-ci: freemb and maxla. */
export const CAPACITY_LIMITS: CapacityLimits = { memory: 1024, load: 4 };

const READ = program(import.meta.url, 'read-capacity');

/**
 * Reads the free capacity of a worker from MemAvailable in /proc/meminfo and from /proc/loadavg (proc(5)). Memory that
 * was promised to a running guest and not touched yet does not count as free.
 *
 * @param promised MiB that each guest may take, by domain
 * @throws CiError if they cannot be parsed
 */
export async function hostCapacity(
  host: Host,
  limits: CapacityLimits,
  signal: AbortSignal,
  promised: ReadonlyMap<string, number> = new Map(),
): Promise<HostCapacity> {
  const { stdout } = await host.run(['sh', '-c', READ], { signal, limit: MAX_OUTPUT_BYTES });
  const capacity = readCapacity(stdout, limits, promised);
  if (capacity === undefined) throw factsUnread(host.label);
  return capacity;
}

/** Returns the MiB that guests were promised and have not taken. A guest without a QEMU process has ended. */
function notTaken(text: string, promised: ReadonlyMap<string, number>): number {
  let sum = 0;
  for (const [, taken, domain] of text.matchAll(/^ *(\d+) .*\bguest=([^, ]+),/gm))
    sum += Math.max(0, (promised.get(domain!) ?? 0) - Number(taken) / 1024);
  return sum;
}

/** Parses the output of READ; undefined if it is not complete. */
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
  return { memory, load, ...reason };
}

function reasonAgainst(memory: number, load: number, limits: CapacityLimits): Pick<HostCapacity, 'reason' | 'brief'> {
  if (memory < limits.memory)
    return { reason: `has ${memory} MiB of free memory, and ${limits.memory} are wanted`, brief: 'memory' };
  if (load > limits.load)
    return { reason: `has a load of ${load}, and takes builds up to ${limits.load}`, brief: 'load' };
  return {};
}
