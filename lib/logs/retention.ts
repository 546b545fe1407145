import { lstat, opendir, readFile, rm, rmdir } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { logWriteFailed } from '../errors/logs.ts';
import { BUILD_FILE } from './layout.ts';

/** Levels of folders searched for builds; those of Recheck are at most six deep. */
const MAX_DEPTH_LEVELS = 8;
const DAY_MS = 24 * 3600 * 1000;

/** Which builds' logs are kept. */
export interface Retention {
  /** Days after a build's end; older builds are removed. */
  days?: number | undefined;
  /** GB (1000³ bytes) that all builds may use; the oldest are removed first. */
  gigabytes?: number | undefined;
  /** Folders of builds that are running or held: never removed. */
  keep: ReadonlySet<string>;
}

interface StoredBuild {
  dir: string;
  /** When it ended, or was last written if the controller crashed before that; milliseconds since the epoch. */
  ended: number;
  bytes: number;
}

async function names(dir: string): Promise<{ name: string; folder: boolean }[]> {
  const found: { name: string; folder: boolean }[] = [];
  try {
    // A symbolic link is neither.
    for await (const entry of await opendir(dir)) {
      if (entry.isDirectory() || entry.isFile()) found.push({ name: entry.name, folder: entry.isDirectory() });
    }
  } catch {
    // It is gone, or not readable.
  }
  return found;
}

async function sizeOf(dir: string, signal: AbortSignal): Promise<number> {
  let bytes = 0;
  for (const { name, folder } of await names(dir)) {
    signal.throwIfAborted();
    bytes += folder
      ? await sizeOf(join(dir, name), signal)
      : ((await lstat(join(dir, name)).catch(() => undefined))?.size ?? 0);
  }
  return bytes;
}

/** Reads a build's record; undefined if the folder has none, or one that Recheck did not write. */
async function record(dir: string): Promise<{ endedAt?: string; size?: number; written: number } | undefined> {
  const file = join(dir, BUILD_FILE);
  const stats = await lstat(file).catch(() => undefined);
  if (!stats?.isFile()) return undefined;
  try {
    const found = JSON.parse(await readFile(file, 'utf8')) as {
      build?: { id?: unknown };
      endedAt?: string;
      size?: number;
    };
    return typeof found.build?.id === 'string' ? { ...found, written: stats.mtimeMs } : undefined;
  } catch {
    return undefined;
  }
}

async function collect(
  dir: string,
  depth: number,
  keep: ReadonlySet<string>,
  signal: AbortSignal,
): Promise<StoredBuild[]> {
  signal.throwIfAborted();
  const own = depth === 0 ? undefined : await record(dir);
  if (own !== undefined) {
    const kept = keep.has(dir);
    const ended = Date.parse(own.endedAt ?? '');
    return [
      {
        dir,
        ended: kept ? Number.POSITIVE_INFINITY : Number.isNaN(ended) ? own.written : ended,
        bytes: own.endedAt !== undefined && typeof own.size === 'number' ? own.size : await sizeOf(dir, signal),
      },
    ];
  }
  if (depth === MAX_DEPTH_LEVELS) return [];
  const below: StoredBuild[] = [];
  for (const { name, folder } of await names(dir)) {
    if (folder) below.push(...(await collect(join(dir, name), depth + 1, keep, signal)));
  }
  return below;
}

/** Removes a build's folder, its record last so that an interrupted sweep finds it again; then parents left empty. */
async function remove(root: string, dir: string): Promise<void> {
  try {
    for (const { name } of await names(dir)) {
      if (name !== BUILD_FILE) await rm(join(dir, name), { recursive: true, force: true });
    }
    await rm(dir, { recursive: true, force: true });
  } catch (error) {
    throw logWriteFailed(dir, error);
  }
  for (let parent = dirname(dir); parent !== root && parent.startsWith(root); parent = dirname(parent)) {
    try {
      await rmdir(parent);
    } catch {
      return;
    }
  }
}

/**
 * Removes the folders of old builds: those older than `days`, then the oldest until the rest fits into `gigabytes`.
 * Only folders with a build.json of Recheck are touched; links are not followed.
 *
 * @returns how many builds and bytes were removed
 * @throws the signal's reason when aborted; CiError if a folder cannot be removed
 */
export async function sweep(
  root: string,
  { days, gigabytes, keep }: Retention,
  signal: AbortSignal,
): Promise<{ removed: number; bytes: number }> {
  const swept = { removed: 0, bytes: 0 };
  if (days === undefined && gigabytes === undefined) return swept;
  const builds = (await collect(root, 0, keep, signal)).sort((a, b) => a.ended - b.ended);
  const oldest = days === undefined ? Number.NEGATIVE_INFINITY : Date.now() - days * DAY_MS;
  const most = gigabytes === undefined ? Number.POSITIVE_INFINITY : gigabytes * 1e9;
  let total = builds.reduce((sum, { bytes }) => sum + bytes, 0);
  for (const build of builds) {
    if (build.ended === Number.POSITIVE_INFINITY || (build.ended >= oldest && total <= most)) break;
    signal.throwIfAborted();
    await remove(root, build.dir);
    total -= build.bytes;
    swept.removed++;
    swept.bytes += build.bytes;
  }
  return swept;
}
