import { factsUnread } from '../errors/worker.ts';
import type { Host } from '../ssh/types.ts';
import type { HostRoom } from './types.ts';

/** Within what a worker takes a build. */
export interface RoomLimits {
  /** MiB of memory that must be free. */
  memory: number;
  /** Load average over a minute that it may have. */
  load: number;
}

/** As rally-ci had them: freemb and maxla. */
export const ROOM_LIMITS: RoomLimits = { memory: 1024, load: 4 };

/** Reads /proc/meminfo (MemAvailable) and /proc/loadavg (proc(5)) of the worker. @throws CiError where they make no sense */
export async function hostRoom(host: Host, limits: RoomLimits, signal: AbortSignal): Promise<HostRoom> {
  const { stdout } = await host.run(['cat', '/proc/meminfo', '/proc/loadavg'], { signal });
  const room = readRoom(stdout, limits);
  if (room === undefined) throw factsUnread(host.label);
  return room;
}

/** The room by the text of both files; undefined where it makes no sense. */
export function readRoom(text: string, limits: RoomLimits): HostRoom | undefined {
  const memory = Math.floor(Number(/^MemAvailable:\s+(\d+) kB$/m.exec(text)?.[1]) / 1024);
  const load = Number(/^(\d+\.\d+) \d+\.\d+ \d+\.\d+ /m.exec(text)?.[1]);
  if (Number.isNaN(memory) || Number.isNaN(load)) return undefined;
  const lack = lackOf(memory, load, limits);
  return lack === undefined ? { memory, load } : { memory, load, lack };
}

function lackOf(memory: number, load: number, limits: RoomLimits): string | undefined {
  if (memory < limits.memory) return `has ${memory} MiB of free memory, and ${limits.memory} are wanted`;
  if (load > limits.load) return `has a load of ${load}, and takes builds up to ${limits.load}`;
  return undefined;
}
