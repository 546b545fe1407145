import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Removes a path and all below it. Follows no symbolic link, survives folders without write permission (a Go module
 * cache is full of them), and is fine where the path is gone already.
 *
 * @throws the file system's error where something stays
 */
export async function removeTree(path: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // A folder was locked, or something wrote into it meanwhile.
    await unlockFolders(path, signal);
    signal.throwIfAborted();
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/** Gives the owner all rights on every folder of a tree: to delete a file takes rights on its folder, not on the file. */
async function unlockFolders(path: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    if (!(await lstat(path)).isDirectory()) return;
    await chmod(path, 0o700);
    for (const entry of await readdir(path, { withFileTypes: true })) {
      if (entry.isDirectory()) await unlockFolders(join(path, entry.name), signal);
    }
  } catch (error) {
    signal.throwIfAborted();
    // Gone meanwhile is fine; what cannot be unlocked is named by the removal that follows.
    if (!(error as NodeJS.ErrnoException).code) throw error;
  }
}
