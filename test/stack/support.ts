import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, mkdirSync, readdirSync, readFileSync, statSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join } from 'node:path';
import { test } from 'node:test';
import { fileURLToPath } from 'node:url';
import { prepareGerrit } from '../real/gerrit/site.ts';
import { endOf } from '../support/child.ts';

const SCRIPTS = join(import.meta.dirname, '../../scripts/real-stack');

/** The sandbox's temporary folder (set by scripts/real-stack/sandbox.sh); undefined outside the sandbox. */
export const stackFolder: string | undefined = process.env['STACK'];

/**
 * Defines a file's tests if it runs inside the sandbox. Outside, defines a single test that runs the file in a new
 * sandbox, so that each file can be run like any other test file.
 *
 * @param settings `limitMs` is what the whole file takes on an idle machine (the timeout is three times that). `disks`
 *   and `gerrit` are prepared first, because the sandbox has no network.
 */
export function inSandbox(
  url: string,
  { limitMs, disks, gerrit = false }: { limitMs: number; disks: DiskKind[]; gerrit?: boolean },
  define: () => void,
): void {
  if (stackFolder !== undefined) {
    define();
    return;
  }
  const file = fileURLToPath(url);
  test(`${basename(file)} in the sandbox`, { timeout: 3 * limitMs }, async (t) => {
    for (const kind of disks) guestDisk(kind);
    if (gerrit) await prepareGerrit();
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const argv = [process.execPath, '--test', '--test-force-exit', '--test-reporter=spec', file];
    const child = spawn(join(SCRIPTS, 'sandbox.sh'), argv, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    // Killing the script removes the whole sandbox.
    t.after(() => child.kill('SIGKILL'));
    child.stdout.pipe(process.stderr);
    const { code } = await endOf(child);
    assert.equal(code, 0, 'the tests in the sandbox passed');
  });
}

/** Starts or stops the sandbox's libvirtd; guests keep running. */
export const controlLibvirtd = (what: 'start' | 'stop'): void => {
  execFileSync(join(SCRIPTS, 'libvirtd.sh'), [what], { stdio: 'inherit' });
};

/** A guest disk: our tiny guest, the same for UEFI only, or Debian 13 or 12 as published. */
export type DiskKind = keyof typeof DISKS;

/** Each disk's builder and its arguments, then the other files it is built from, in scripts/real-stack/. */
const DISKS = {
  tiny: [['tiny-guest.sh'], 'make-disk.sh', 'make-initrd.sh', 'tiny-guest'],
  'tiny-uefi': [['tiny-uefi.sh'], 'tiny-guest.sh', 'make-disk.sh', 'make-initrd.sh', 'tiny-guest'],
  trixie: [['stock-guest.sh', 'trixie'], 'stock-disk.sh'],
  bookworm: [['stock-guest.sh', 'bookworm'], 'stock-disk.sh'],
} as const;

/** Returns the path of a guest disk, rebuilt if its scripts have changed. */
export function guestDisk(kind: DiskKind): string {
  const [[builder, ...args], ...parts] = DISKS[kind];
  const hash = createHash('sha256');
  for (const file of [builder, ...parts].flatMap(filesOf)) hash.update(readFileSync(file));
  const folder = join(tmpdir(), 'recheck-guests');
  const disk = join(folder, `${kind}-${hash.digest('hex').slice(0, 12)}.qcow2`);
  if (!existsSync(disk)) {
    mkdirSync(folder, { recursive: true });
    // Another test file may be building it at the same time.
    const once = ['sh', '-c', 'file=$1; shift; [ -e "$file" ] || exec "$@" "$file"', 'sh', disk];
    const command = [join(SCRIPTS, builder), ...args];
    execFileSync('flock', [join(folder, `${kind}.lock`), ...once, ...command], {
      stdio: ['ignore', 'ignore', 'inherit'],
    });
  }
  return disk;
}

function filesOf(name: string): string[] {
  const path = join(SCRIPTS, name);
  if (!statSync(path).isDirectory()) return [path];
  return readdirSync(path)
    .sort()
    .map((file) => join(path, file));
}

const shell = (command: string): string[] =>
  execFileSync('sh', ['-c', command], { encoding: 'utf8' })
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

/** Lists everything that a build can leave behind on a worker, to be compared before and after. */
export function inventory(): Record<string, string[]> {
  const folder = join(stackFolder!, 'ci');
  return {
    domains: shell('virsh -q list --all --name').sort(),
    links: shell('ls /sys/class/net').sort(),
    rules: ['raw', 'nat', 'filter', 'mangle'].flatMap((table) => shell(`iptables -w -t ${table} -S`)),
    leases: shell("virsh -q net-dhcp-leases default | awk '{print $5}'").sort(),
    variables: shell('ls /var/lib/libvirt/qemu/nvram 2>/dev/null || :').sort(),
    kept: shell('ls /run | grep recheck || :'),
    // An interface may disappear while its folder is read.
    sysctls: shell('grep -rs . /proc/sys/net/ipv4/conf/*/route_localnet || :').sort(),
    subvolumes: shell(`btrfs subvolume list ${folder} | sed 's/.* path //'`).sort(),
    listeners: shell("ss -Hltn | awk '{print $4}'").sort(),
    // Only programs that a build may start: no kernel threads, no daemons, no SSH connections.
    processes: shell("ps -eo comm= | grep -E '^(qemu|virsh|sleep|timeout|tail|cat)' || :").sort(),
  };
}
