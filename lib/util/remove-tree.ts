import { chmod, lstat, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

/**
 * Removes a path and everything below it. Idempotent. Follows no symbolic link, and copes with folders without write
 * permission (a Go module cache is full of them).
 *
 * @throws the file system's error if something is left
 */
export async function removeTree(path: string, signal: AbortSignal): Promise<void> {
  signal.throwIfAborted();
  try {
    await rm(path, { recursive: true, force: true });
  } catch {
    // A folder is not writable, or something was written into it meanwhile.
    await unlockFolders(path, signal);
    signal.throwIfAborted();
    await rm(path, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 });
  }
}

/**
 * Grants the owner all permissions on every folder of a tree: deleting a file takes those of its folder, not its own.
 */
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
    // A path may be gone by now; the removal that follows names what cannot be unlocked.
    if (!(error as NodeJS.ErrnoException).code) throw error;
  }
}
