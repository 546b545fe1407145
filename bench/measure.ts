/** One line of the bench's table. */
export interface Row {
  /** What is measured, and against what. */
  what: string;
  /** The figure that the goal is about: a ratio mostly. */
  value: string;
  /** The goal in words; missing where none is set. */
  goal?: string;
  /** Missing where there is no goal. */
  met?: boolean;
  /** The raw figures behind it, a line each. */
  figures: string[];
}

/** What a bench is given. */
export interface Settings {
  /** Fewer and smaller runs, for CI. */
  quick: boolean;
  /** A folder on disk for what it writes; removed at the end. */
  dir: string;
  /** Says what is done now. */
  say(text: string): void;
}

/** The middle value; of an even count the mean of the two in the middle. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length % 2 === 1 ? sorted[half]! : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Milliseconds that some work takes. */
export async function timed(work: () => Promise<unknown>): Promise<number> {
  const began = performance.now();
  await work();
  return performance.now() - began;
}

/**
 * Runs ours and the peer's work in turns, each time in the other order, so that a machine that gets slower or faster
 * meanwhile does so for both.
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
 * How a measured child process is started: with the garbage collector at hand, and where RECHECK_BENCH_PROFILE names a
 * folder, with a profile of its processor's time written there.
 */
export function childArgs(kind: string): string[] {
  const { RECHECK_BENCH_PROFILE: profile } = process.env;
  return ['--expose-gc', ...(profile ? ['--cpu-prof', `--cpu-prof-dir=${profile}/${kind}`] : [])];
}

/** Seconds for people, of milliseconds. */
export const seconds = (ms: number): string => `${(ms / 1000).toFixed(ms < 1000 ? 3 : 2)} s`;

/** Megabytes (2^20) for people, of bytes. */
export const mib = (bytes: number): string => `${(bytes / 2 ** 20).toFixed(1)} MiB`;

/** A rate for people. */
export const perSecond = (count: number): string => `${count < 100 ? count.toFixed(1) : Math.round(count)}/s`;

/** All measured values in a row, so that a reader sees how much they vary. */
export const all = (values: readonly number[], show: (value: number) => string): string => values.map(show).join(', ');
