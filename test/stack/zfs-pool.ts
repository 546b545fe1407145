import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end } from '../support/child.ts';
import { waitFor } from '../support/wait.ts';
import { stackFolder } from './support.ts';

const POOL = 'recheckpool';

const works = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;

/** A ZFS pool in the sandbox, provided by zfs-fuse. */
export interface ZfsPool {
  /** Its name. */
  pool: string;
  /** A dataset for a worker's images and clones, and its mount point. */
  place: string;
  root: string;
  /** Runs `zfs` and returns the lines that it prints, sorted. */
  zfs(...args: string[]): string[];
  close(): Promise<void>;
}

/** Creates a pool on a sparse file of `size` bytes. */
export async function openPool(size: number): Promise<ZfsPool> {
  mkdirSync('/run/zfs', { recursive: true });
  const daemon: ChildProcess = spawn('setpriv', ['--pdeathsig', 'KILL', 'zfs-fuse', '-n'], { stdio: 'ignore' });
  const disk = join(stackFolder!, 'zfs.img');
  writeFileSync(disk, '');
  truncateSync(disk, size);
  await waitFor('zfs-fuse answers', () => works('zpool', 'list'));
  const mount = join(stackFolder!, 'zfs');
  execFileSync('zpool', ['create', '-m', mount, POOL, disk], { stdio: 'ignore' });
  const zfs = (...args: string[]): string[] =>
    execFileSync('zfs', args, { encoding: 'utf8' }).split('\n').filter(Boolean).sort();
  zfs('create', `${POOL}/recheck`);
  return {
    pool: POOL,
    place: `${POOL}/recheck`,
    root: join(mount, 'recheck'),
    zfs,
    async close() {
      // FUSE releases the pool a moment after its last user has gone.
      await waitFor('the pool is gone', () => works('zpool', 'destroy', '-f', POOL), 60_000);
      await end(daemon, 'SIGTERM');
    },
  };
}
