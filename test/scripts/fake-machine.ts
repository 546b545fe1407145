import { spawnSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { afterEach, beforeEach } from 'node:test';

const SCRIPT = join(import.meta.dirname, '../../scripts/setup-worker');
const FAKE = join(import.meta.dirname, 'fake-machine.sh');
const PROGRAMS =
  'id dpkg-query apt-cache apt-get lsblk blkid wipefs mkfs.btrfs mount findmnt btrfs zfs systemctl sshd virsh ip ' +
  'qemu-img qemu-system-x86_64 dnsmasq curl iptables bridge sleep';

/** Folder of the test; of the machine's own files; of the state of its programs. */
export let dir: string;
export let root: string;
export let state: string;

/** Writes a file of the machine. */
export const put = (path: string, text: string): void => {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), text);
};
export const read = (path: string): string => readFileSync(join(root, path), 'utf8');
/** Sets a state of the machine's programs: see fake-machine.sh. */
export const mark = (name: string, text = ''): void => writeFileSync(join(state, name), text);

beforeEach(() => {
  dir = mkdtempSync(join(tmpdir(), 'setup-worker-'));
  root = join(dir, 'root');
  state = join(dir, 'state');
  mkdirSync(state);
  mkdirSync(join(dir, 'bin'));
  for (const name of PROGRAMS.split(' ')) symlinkSync(FAKE, join(dir, 'bin', name));
  put('etc/os-release', 'ID=debian\nVERSION_ID="12"\n');
  put('etc/fstab', '/dev/sda1 / ext4 defaults 0 1');
  put('etc/ssh/sshd_config', 'Include /etc/ssh/sshd_config.d/*.conf\n');
  put('dev/sdb', '\0'.repeat(100));
  for (const path of ['etc/ssh/sshd_config.d', 'root', 'run/sshd', 'run/systemd/system']) {
    mkdirSync(join(root, path), { recursive: true });
  }
});
afterEach(() => rmSync(dir, { recursive: true }));

/** Runs setup-worker on the machine from stdin, as over SSH. */
export function run(...args: string[]): { code: number | null; lines: string[]; said: string; changes: string[] } {
  const { status, stdout, stderr } = spawnSync('bash', ['-s', '--', ...args], {
    input: readFileSync(SCRIPT),
    env: { PATH: `${dir}/bin:/usr/bin:/bin`, STATE: state, SETUP_WORKER_ROOT: root, HOME: dir },
    encoding: 'utf8',
  });
  const file = join(state, 'changes');
  const changes = existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [];
  rmSync(file, { force: true });
  return { code: status, lines: stdout.split('\n'), said: stdout + stderr, changes };
}

/** Returns every file of the machine, with its mode and content. */
export const machine = (): string[] =>
  readdirSync(root, { recursive: true, encoding: 'utf8' })
    .sort()
    .map((path) => {
      const { mode } = statSync(join(root, path));
      return `${path} ${mode} ${statSync(join(root, path)).isFile() ? read(path) : ''}`;
    });

/** Returns what it printed of a kind: ok, done, would, note, BY HAND. */
export const of = (lines: string[], kind: string): string[] =>
  lines.filter((line) => line.startsWith(`${kind} `)).map((line) => line.slice(kind.length).trim());
