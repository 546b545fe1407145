/** A ZFS pool of its own in the sandbox, by FUSE. */
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end } from '../support/child.ts';
import { until } from '../support/until.ts';
import { stackFolder } from './support.ts';

const POOL = 'recheckpool';

export interface ZfsPool {
  name: string;
  /** Runs `zfs` and gives the lines that it printed, sorted. */
  zfs(...args: string[]): string[];
  close(): Promise<void>;
}

/**
 * Starts zfs-fuse and makes a pool.
 *
 * @param folder where it is mounted, below the sandbox's folder
 * @param size bytes
 */
export async function openPool(folder: string, size: number): Promise<ZfsPool> {
  const works = (program: string, ...args: string[]) => spawnSync(program, args).status === 0;
  mkdirSync('/run/zfs', { recursive: true });
  const daemon = spawn('setpriv', ['--pdeathsig', 'KILL', 'zfs-fuse', '-n'], { stdio: 'ignore' });
  const disk = join(stackFolder!, 'zfs.img');
  writeFileSync(disk, '');
  truncateSync(disk, size);
  await until('zfs-fuse answers', () => works('zpool', 'list'));
  execFileSync('zpool', ['create', '-m', join(stackFolder!, folder), POOL, disk], { stdio: 'ignore' });
  return {
    name: POOL,
    zfs: (...args) => execFileSync('zfs', args, { encoding: 'utf8' }).split('\n').filter(Boolean).sort(),
    async close() {
      // FUSE lets go of it a moment after its last user.
      await until('the pool is gone', () => works('zpool', 'destroy', '-f', POOL));
      await end(daemon, 'SIGTERM');
    },
  };
}
