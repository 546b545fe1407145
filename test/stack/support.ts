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

/** Where the machine room of this process is (scripts/real-stack/sandbox.sh); undefined outside of one. */
export const stackFolder: string | undefined = process.env['STACK'];

/**
 * Defines a file's tests where the file runs inside the sandbox; outside, defines one test that runs the file in a
 * sandbox of its own. So each file can be run as any other.
 *
 * @param settings milliseconds for the whole file on a machine that has little else to do (a busy one has three times as
 *   long), and what is to be made first, since there is no network inside: guests' disks, and all that a real Gerrit needs
 */
export function inSandbox(
  url: string,
  { limit, disks, gerrit = false }: { limit: number; disks: DiskKind[]; gerrit?: boolean },
  define: () => void,
): void {
  if (stackFolder !== undefined) {
    define();
    return;
  }
  const file = fileURLToPath(url);
  test(`${basename(file)} in the sandbox`, { timeout: 3 * limit }, async (t) => {
    for (const kind of disks) guestDisk(kind);
    if (gerrit) await prepareGerrit();
    const { NODE_TEST_CONTEXT: _, ...env } = process.env;
    const argv = [process.execPath, '--test', '--test-force-exit', '--test-reporter=spec', file];
    const child = spawn(join(SCRIPTS, 'sandbox.sh'), argv, { env, stdio: ['ignore', 'pipe', 'inherit'] });
    // The whole room goes with it.
    t.after(() => child.kill('SIGKILL'));
    child.stdout.pipe(process.stderr);
    const { code } = await endOf(child);
    assert.equal(code, 0, 'the tests in the sandbox passed');
  });
}

/** Starts or stops the sandbox's libvirtd; guests go on without it. */
export const libvirtd = (what: 'start' | 'stop'): void => {
  execFileSync(join(SCRIPTS, 'libvirtd.sh'), [what], { stdio: 'inherit' });
};

/** A guest's disk: our own tiny one, the same for UEFI only, or Debian 13 or 12 as they are published. */
export type DiskKind = keyof typeof DISKS;

/** The scripts that build each disk, below scripts/real-stack/: the builder and its arguments, then what it is made of. */
const DISKS = {
  tiny: [['tiny-guest.sh'], 'make-disk.sh', 'make-initrd.sh', 'tiny-guest'],
  'tiny-uefi': [['tiny-uefi.sh'], 'tiny-guest.sh', 'make-disk.sh', 'make-initrd.sh', 'tiny-guest'],
  trixie: [['stock-guest.sh', 'trixie'], 'stock-disk.sh'],
  bookworm: [['stock-guest.sh', 'bookworm'], 'stock-disk.sh'],
} as const;

/** A guest's disk, built by our own scripts if they changed since the last time. @returns its file */
export function guestDisk(kind: DiskKind): string {
  const [[builder, ...args], ...parts] = DISKS[kind];
  const hash = createHash('sha256');
  for (const file of [builder, ...parts].flatMap(filesOf)) hash.update(readFileSync(file));
  const folder = join(tmpdir(), 'recheck-guests');
  const disk = join(folder, `${kind}-${hash.digest('hex').slice(0, 12)}.qcow2`);
  if (!existsSync(disk)) {
    mkdirSync(folder, { recursive: true });
    // Another file's run may want it at the same time.
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

/** What a build can leave behind on a worker: compared before and after, line by line. */
export function inventory(): Record<string, string[]> {
  const folder = join(stackFolder!, 'ci');
  return {
    domains: shell('virsh -q list --all --name').sort(),
    links: shell('ls /sys/class/net').sort(),
    rules: ['raw', 'nat', 'filter', 'mangle'].flatMap((table) => shell(`iptables -w -t ${table} -S`)),
    leases: shell("virsh -q net-dhcp-leases default | awk '{print $5}'").sort(),
    variables: shell('ls /var/lib/libvirt/qemu/nvram 2>/dev/null || :').sort(),
    kept: shell('ls /run | grep recheck || :'),
    sysctls: shell('grep -r . /proc/sys/net/ipv4/conf/*/route_localnet').sort(),
    subvolumes: shell(`btrfs subvolume list ${folder} | sed 's/.* path //'`).sort(),
    listeners: shell("ss -Hltn | awk '{print $4}'").sort(),
    // Processes that are no kernel's, no helper's and no connection's of ours.
    processes: shell("ps -eo comm= | grep -E '^(qemu|virsh|sleep|timeout|tail|cat)' || :").sort(),
  };
}
