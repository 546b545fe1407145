import { spawn, spawnSync } from 'node:child_process';
import { once } from 'node:events';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { guestDisk } from '../test/stack/support.ts';
import { childArgs, type Row, type Settings } from './measure.ts';

/** What the machine room (scripts/real-stack/sandbox.sh) cannot do without. */
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

/** Why there can be no machine room here; undefined where there can. */
function lack(): string | undefined {
  if (process.getuid?.() !== 0) return 'they need root';
  const env = { ...process.env, PATH: `${process.env['PATH']}:/usr/sbin:/sbin` };
  const missing = NEEDED.filter((name) => spawnSync('sh', ['-c', 'command -v "$1"', 'sh', name], { env }).status !== 0);
  return missing.length > 0 ? `missing here: ${missing.join(', ')}` : undefined;
}

/** Clones and tiny guests on real btrfs, zfs and libvirt, in a sandbox of their own. */
export const benchStack = (settings: Settings): Promise<Row[]> => inSandbox('tiny', settings);

/** Guests of Debian 13 as it is published. */
export const benchStock = (settings: Settings): Promise<Row[]> => inSandbox('trixie', settings);

async function inSandbox(disk: 'tiny' | 'trixie', { quick, dir, say }: Settings): Promise<Row[]> {
  const why = lack();
  if (why !== undefined) {
    say(`${disk}: the benchmarks with real guests are left out: ${why}`);
    return [];
  }
  const file = join(dir, 'stack.json');
  // There is no network inside, and building it is none of what is measured.
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
  if (code !== 0) throw new Error(`the sandbox ended with ${code}`);
  return JSON.parse(await readFile(file, 'utf8')) as Row[];
}
