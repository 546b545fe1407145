import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { localHost } from '../../lib/ssh/local.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { type HostStorageOptions, hostStorage } from '../../lib/storage/host-storage.ts';
import type { ImageSpec } from '../../lib/worker/types.ts';
import { endOf } from '../support/child.ts';

/** A file system for one test file, visible only to its host. */
export interface TestFileSystem {
  host: Host;
  /** The folder or ZFS dataset, as a storage's settings have it. */
  place: string;
  /** The mount point. */
  root: string;
  /** Runs a line of shell there and returns its output; throws if it fails. */
  sh(line: string): Promise<string>;
  close(): Promise<void>;
}

/** Options that limit one call to 180 s. */
export const callOptions = () => ({ signal: AbortSignal.timeout(180_000) });

export const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 1 };

/** Creates a storage, an image `base` of a disk whose first MiB is filled with bytes of 1, and a child of it. */
export async function storageOn(kind: HostStorageOptions['kind'], place: TestFileSystem) {
  const storage = hostStorage({ kind, place: place.place, host: async () => place.host });
  const source = `${place.root}-source`;
  const base: ImageSpec = { name: 'base', key: 'k1', source: { kind: 'directory', path: source }, loginUser: 'root' };
  const making = { memory: 256, vcpus: 1, networks: [], userData: '', authorizedKeys: '', timeout: 60_000 };
  const child: ImageSpec = {
    name: 'child',
    key: 'k2',
    source: { kind: 'parent', parent: base, scripts: [], making },
    loginUser: 'root',
  };
  await place.sh(`mkdir '${source}'; qemu-img create -q -f qcow2 '${source}/vda.qcow2' 1G`);
  const write = (disk: string, pattern: number) =>
    place.sh(`qemu-io -f qcow2 -c 'write -q -P ${pattern} 0 1M' '${disk}'`);
  await write(`${source}/vda.qcow2`, 1);
  return {
    storage,
    source: `${source}/vda.qcow2`,
    base,
    child,
    write,
    /** Returns the byte that fills the first MiB of a disk. */
    read: (disk: string) =>
      place.sh(
        `for p in 1 2 3 4; do qemu-io -r -U -f qcow2 -c "read -q -P $p 0 1M" '${disk}' >/dev/null && echo $p; done; :`,
      ),
    /** Builds the child: fills the first MiB of a draft with `pattern`, and adopts the draft. */
    async makeChild(pattern: number): Promise<void> {
      const draft = await storage.draft(child, callOptions());
      await write(draft.disks[0]!.path, pattern);
      await storage.adopt(child, callOptions());
    },
  };
}

/** Runs in a mount namespace: mounts $1 (kind) of size $3 in folder $2, prints READY, and unmounts when stdin ends. */
const MOUNT_SCRIPT = `
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
    # zfs-fuse remembers its pools there: an interrupted test must not leave one to the next.
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

/** Creates a file system for a kind of storage: btrfs, zfs (with FUSE), or ext4, which has no reflinks. Needs root. */
export async function mountFileSystem(kind: HostStorageOptions['kind'], size = '400M'): Promise<TestFileSystem> {
  const dir = await mkdtemp(join(tmpdir(), 'recheck-place-'));
  const holder = spawn(
    'unshare',
    ['--mount', '--propagation', 'private', 'sh', '-c', MOUNT_SCRIPT, 'hold', kind, dir, size],
    {
      stdio: ['pipe', 'pipe', 'inherit'],
    },
  );
  const ended = endOf(holder);
  let output = '';
  holder.stdout.setEncoding('utf8');
  await Promise.race([
    (async () => {
      for await (const chunk of holder.stdout) {
        output += chunk;
        if (output.includes('READY')) return;
      }
    })(),
    ended.then(() => {
      throw new Error(`no ${kind} here: ${output}`);
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
    place: kind === 'zfs' ? output.split('\n')[0]! : join(dir, 'root'),
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

/** Wraps commands so that each is retried for ten seconds while zfs-fuse reports a busy dataset. */
export const retryWhileBusy = (commands: string): string =>
  commands
    .split(' && ')
    .map(
      (command) => `tries=0
        until said=$(${command} 2>&1); do
          tries=$((tries + 1))
          case $said in *busy*) [ "$tries" -lt 50 ] && sleep 0.2 && continue ;; esac
          printf '%s\\n' "$said" >&2
          exit 1
        done`,
    )
    .join('\n');
