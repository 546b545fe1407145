/** One line of the bench's table. */
export interface Row {
  /** What is measured, and against what. */
  what: string;
  /** The figure that has the goal, mostly a ratio. */
  value: string;
  /** The goal as text; missing if there is none. */
  goal?: string;
  /** Missing if there is no goal. */
  met?: boolean;
  /** The raw figures, one line each. */
  figures: string[];
}

/** Settings of a benchmark. */
export interface Settings {
  /** Fewer and smaller runs, for CI. */
  quick: boolean;
  /** A folder for its files, removed at the end. */
  dir: string;
  /** Prints what is done now. */
  say(text: string): void;
}

/** Returns the median; of an even count, the mean of the two values in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Runs some work and returns its milliseconds. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/**
 * Runs Recheck's and the peer's work in turns, in alternating order, so that a machine that becomes slower or faster does
 * so for both.
 */
export async function inTurns<T>(
  rounds: number,
  ours: () => Promise<T>,
  peer: () => Promise<T>,
): Promise<{ ours: T[]; peer: T[] }> {
  const found: { ours: T[]; peer: T[] } = { ours: [], peer: [] };
  for (let round = 0; round < rounds; round++) {
    if (round % 2 === 0) found.peer.push(await peer());
    found.ours.push(await ours());
    if (round % 2 === 1) found.peer.push(await peer());
  }
  return found;
}

/**
 * Returns the Node.js options of a measured child process: an exposed garbage collector and, if RECHECK_BENCH_PROFILE names
 * a folder, a CPU profile written there.
 */
export function childArgs(kind: string): string[] {
  const { RECHECK_BENCH_PROFILE: profile } = process.env;
  return ['--expose-gc', ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}/${kind}`] : [])];
}

/** Formats milliseconds as seconds. */
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 1000 ? 3 : 2)} s`;

/** Formats bytes as MiB. */
export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** Formats a rate. */
export const perSecond = (count: number): string => `${count < 100 ? count.toFixed(1) : Math.round(count)}/s`;

/** Formats all measured values, so that a reader sees how much they vary. */
export const all = (values: readonly number[], show: (value: number) => string): string => values.map(show).join(', ');
