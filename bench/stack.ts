import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { guestDisk } from '../test/stack/support.ts';
import { childArgs, type Row, type Settings } from './measure.ts';

/** Commands that the sandbox (scripts/real-stack/sandbox.sh) needs. */
const NEEDED = [
  'btrfs',
  'zfs-fuse',
  'zpool',
  'libvirtd',
  'qemu-system-x86_64',
  'dnsmasq',
  'iptables',
  'unshare',
  'sshd',
];
const SANDBOX = join(import.meta.dirname, '../scripts/real-stack/sandbox.sh');

/** Returns why the sandbox cannot run here; undefined if it can. */
function whyNoSandbox(): string | undefined {
  if (process.getuid?.() !== 0) return 'they need root';
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
  const missing = NEEDED.filter((name) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { env }).status !== 0);
  return missing.length > 0 ? `missing here: ${missing.join(', ')}` : undefined;
}

/** Runs clones and tiny guests on real btrfs, zfs and libvirt, in the sandbox. */
export const benchStack = (settings: Settings): Promise<Row[]> => inSandbox('tiny', settings);

/** Runs stock guests of Debian 13. */
export const benchStock = (settings: Settings): Promise<Row[]> => inSandbox('trixie', settings);

async function inSandbox(disk: 'tiny' | 'trixie', { quick, dir, say }: Settings): Promise<Row[]> {
  const why = whyNoSandbox();
  if (why !== undefined) {
    say(`${disk}: benchmarks with real guests are skipped: ${why}`);
    return [];
  }
  const file = join(dir, 'stack.json');
  // Built outside of the sandbox, which has no network, and not measured.
  guestDisk(disk);
  const argv = [
    ...childArgs('stack'),
    join(import.meta.dirname, 'stack-inside.ts'),
    file,
    quick ? 'quick' : 'full',
    disk,
  ];
  const child = spawn(SANDBOX, [process.execPath, ...argv], {
    env: { ...process.env, BTRFS_SIZE: '24G' },
    stdio: ['ignore', 'inherit', 'inherit'],
  });
  const [code] = await once(child, 'exit');
  if (code !== 0) throw new Error(`the sandbox exited with code ${code}`);
  return JSON.parse(await readFile(file, 'utf8')) as Row[];
}
