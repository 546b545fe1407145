import { type ChildProcess, execFileSync, spawn, spawnSync } from 'node:child_process';
import { mkdirSync, truncateSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { end } from '../support/child.ts';
import { waitFor } from '../support/wait.ts';
import { stackFolder } from './support.ts';

const POOL = 'recheckpool';

const works = (program: string, ...args: string[]): boolean => spawnSync(program, args).status === 0;

/** A ZFS pool of the machine room, by zfs-fuse. */
export interface ZfsPool {
  /** Its name. */
  pool: string;
  /** A data set for a worker's images and clones, and where it is mounted. */
  place: string;
  root: string;
  /** Runs `zfs` and gives the lines that it prints, sorted. */
  zfs(...args: string[]): string[];
  close(): Promise<void>;
}

/** @param size bytes of its disk, a sparse file */
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
      // FUSE lets go of it a moment after its last user.
      await waitFor('the pool is gone', () => works('zpool', 'destroy', '-f', POOL), 60_000);
      await end(daemon, 'SIGTERM');
    },
  };
}
