import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localHost } from '../../lib/ssh/local.ts';
import type { Host } from '../../lib/ssh/types.ts';
import type { HostStorageOptions } from '../../lib/storage/host-storage.ts';
import { endOf } from '../support/child.ts';

/** A file system of its own, seen by one host and by nobody else. */
export interface Place {
  host: Host;
  /** As a storage names it. */
  place: string;
  /** Its folder. */
  root: string;
  /** Runs a line of shell there and gives what it printed; throws where it fails. */
  sh(line: string): Promise<string>;
  close(): Promise<void>;
}

/** In a mount namespace: prints READY when all is mounted, and ends with its stdin. $1: kind; $2: folder; $3: size. */
const HOLD = `
set -e
cd "$2"
mkdir root
truncate -s "$3" disk.img
case $1 in
  btrfs) mkfs.btrfs -q disk.img; mount -o loop disk.img root ;;
  directory) mkfs.ext4 -q disk.img; mount -o loop disk.img root; rmdir root/lost+found ;;
  zfs)
    mount -t tmpfs tmpfs /run
    mkdir -p /run/zfs /run/lock/zfs
    # Where zfs-fuse remembers its pools: a test that is cut short must not leave one for the next.
    for folder in /etc/zfs /var/lib/zfs; do [ ! -d $folder ] || mount -t tmpfs tmpfs $folder; done
    setpriv --pdeathsig KILL zfs-fuse -n >zfs-fuse.log 2>&1 &
    daemon=$!
    tries=0
    until zpool list >/dev/null 2>&1; do tries=$((tries + 1)); [ $tries -lt 100 ]; sleep 0.1; done
    zpool create -m "$2/root" "recheck$$" "$2/disk.img" 2>/dev/null
    echo "recheck$$"
    ;;
esac
echo READY
cat >/dev/null || :
if [ -n "\${daemon:-}" ]; then
  tries=0
  until zpool destroy -f "recheck$$" 2>/dev/null; do tries=$((tries + 1)); [ $tries -lt 20 ] || break; sleep 0.2; done
  kill "$daemon"
  wait "$daemon" || :
  umount /zfs-kstat 2>/dev/null || :
else
  umount root
fi
`;

/** Makes a file system for a kind of storage: btrfs, zfs (by FUSE), or ext4, which has no reflinks. Needs root. */
export async function openPlace(kind: HostStorageOptions['kind'], size = '400M'): Promise<Place> {
  const dir = await mkdtemp(join(tmpdir(), 'recheck-place-'));
  const holder = spawn('unshare', ['--mount', '--propagation', 'private', 'sh', '-c', HOLD, 'hold', kind, dir, size], {
    stdio: ['pipe', 'pipe', 'inherit'],
  });
  const ended = endOf(holder);
  let said = '';
  holder.stdout.setEncoding('utf8');
  await Promise.race([
    (async () => {
      for await (const chunk of holder.stdout) {
        said += chunk;
        if (said.includes('READY')) return;
      }
    })(),
    ended.then(() => {
      throw new Error(`no ${kind} here: ${said}`);
    }),
  ]);
  const local = localHost('worker test');
  const inside = (argv: readonly string[]) => ['nsenter', `--mount=/proc/${holder.pid}/ns/mnt`, '--', ...argv];
  const host: Host = {
    ...local,
    run: (argv, options) => local.run(inside(argv), options),
    start: (argv, options) => local.start(inside(argv), options),
  };
  return {
    host,
    place: kind === 'zfs' ? said.split('\n')[0]! : join(dir, 'root'),
    root: join(dir, 'root'),
    async sh(line) {
      const { code, stdout, stderr } = await host.run(['sh', '-euc', line]);
      if (code !== 0) throw new Error(`${line}: ${code} ${stderr}`);
      return stdout.trim();
    },
    async close() {
      holder.stdin.end();
      await ended;
      host.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}
