import assert from 'node:assert/strict';
import { chmodSync, existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { dir, machine, mark, of, put, read, root, run, state } from './fake-machine.ts';

const KEY = generateKeyPair('controller').publicKey;
const SPARSE = ['--btrfs', '/ci/rally', '--sparse', '/store/recheck.btrfs', '--size', '1G'];
const DISK = ['--btrfs', '/ci/rally', '--disk', '/dev/sdb'];

test('a dry run prints what would be done and changes nothing', () => {
  const before = machine();
  const { code, lines, changes } = run('--dry-run', ...SPARSE, '--key', KEY);
  assert.equal(code, 0);
  assert.deepEqual(changes, []);
  assert.deepEqual(machine(), before);
  assert.deepEqual(of(lines, 'done'), []);
  const would = of(lines, 'would').join('\n');
  for (const thing of [
    'packages: installed libvirt-daemon-system',
    'created in /store/recheck.btrfs',
    'login as root by key allowed',
  ])
    assert.match(would, new RegExp(thing));
  // The exact commands.
  assert.ok(lines.includes(`           mount ${root}/ci/rally`));
});

test('a dry run works on a bare machine with neither libvirt nor sshd', () => {
  mark('libvirt-off');
  rmSync(join(dir, 'bin/sshd'));
  rmSync(join(root, 'run/sshd'), { recursive: true });
  const { code, said } = run('--dry-run', '--key', KEY);
  assert.equal(code, 0, said);
  assert.match(said, /would +libvirt network default: create it if the packages do not/);
  assert.match(said, /would +ssh: check whether root can log in by key/);
});

test('the first run does everything, the second has nothing to do', () => {
  const first = run(...SPARSE, '--key', KEY);
  assert.equal(first.code, 0, first.said);
  assert.deepEqual(of(first.lines, 'would'), []);
  const [update, install] = first.changes;
  assert.match(update!, /^apt-get -qq update/);
  for (const name of ['qemu-system-x86', 'ovmf', 'btrfs-progs', 'openssh-server', 'ca-certificates'])
    assert.match(install!, new RegExp(` install .*\\b${name}\\b`));
  assert.deepEqual(of(first.lines, 'done').slice(-3), [
    'libvirt network default: created',
    'libvirt network default: started',
    'libvirt network default: starts with libvirt',
  ]);
  assert.match(readFileSync(join(state, 'net-defined'), 'utf8'), /stp='off' delay='0'[\s\S]*192\.168\.123\.1'/);
  assert.equal(
    read('etc/fstab'),
    '/dev/sda1 / ext4 defaults 0 1\n/store/recheck.btrfs /ci/rally btrfs loop,noatime,nofail,discard=async 0 0\n',
  );
  assert.equal(statSync(join(root, 'store/recheck.btrfs')).isFile(), true);
  assert.equal(readdirSync(join(root, 'store')).length, 1, 'no temporary file is left');
  assert.equal(read('root/.ssh/authorized_keys'), `${KEY}\n`);
  assert.equal(statSync(join(root, 'root/.ssh/authorized_keys')).mode & 0o777, 0o600);
  assert.equal(statSync(join(root, 'root/.ssh')).mode & 0o777, 0o700);
  assert.match(
    read('etc/ssh/sshd_config.d/00-recheck.conf'),
    /^Match User root\n {2}PermitRootLogin prohibit-password$/m,
  );
  assert.match(first.said, /Kind {5}libvirt\n {2}Storage {2}btrfs\n {2}Path {5}\/ci\/rally/);

  const before = machine();
  const second = run(...SPARSE, '--key', KEY);
  assert.equal(second.code, 0, second.said);
  assert.deepEqual(second.changes, []);
  assert.deepEqual(of(second.lines, 'done'), []);
  assert.ok(of(second.lines, 'ok').length >= 9, second.said);
  assert.deepEqual(machine(), before);
});

test('an empty disk gets btrfs and a line in fstab by its UUID; a second run mounts it again', () => {
  const first = run(...DISK);
  assert.equal(first.code, 0, first.said);
  assert.match(read('etc/fstab'), /\nUUID=11-22 \/ci\/rally btrfs noatime,nofail 0 0\n$/);
  assert.ok(first.changes.includes(`mkfs.btrfs -q -L recheck ${root}/dev/sdb`));
  assert.ok(!existsSync(join(root, 'root/.ssh')), 'without a key nobody is authorized');
  rmSync(join(state, 'mounted'));
  assert.deepEqual(run(...DISK).changes, [`mount ${root}/ci/rally`]);
});

test('a disk or file that is not empty is refused before anything is done', () => {
  const before = machine();
  const refuse = (args: string[], why: RegExp): void => {
    const { code, said, changes } = run(...args);
    assert.equal(code, 1);
    assert.match(said, why);
    assert.deepEqual(changes, []);
  };
  refuse(['--btrfs', '/ci', '--disk', '/dev/sdz'], /\/dev\/sdz is not a disk/);
  mark('used', '/home\n');
  refuse(DISK, /in use at \/home/);
  rmSync(join(state, 'used'));
  mark('parts', 'sdb1\n');
  refuse(DISK, /has partitions.*sdb1/);
  rmSync(join(state, 'parts'));
  assert.deepEqual(machine(), before);
  put('dev/sdb', 'ext4 home 99\n');
  refuse(DISK, /not empty \(ext4\), and this script erases nothing/);
  put('dev/sdb', 'btrfs home 99\n');
  refuse(DISK, /not empty \(btrfs\)/);
  put('dev/sdb', `${'\0'.repeat(5000)}x`);
  refuse(DISK, /not empty \(unknown data\)/);
  put('store/recheck.btrfs', '');
  refuse(SPARSE, /already exists and was not created by this script/);
  assert.equal(read('store/recheck.btrfs'), '');
  put('ci/rally/precious', '');
  put('dev/sdb', '');
  refuse(DISK, /contains files, which a mount would hide/);
});

test('an existing mount or fstab line for the path is left alone', () => {
  put('dev/sdb', 'btrfs recheck 11-22\n');
  put('etc/fstab', 'UUID=33 /ci/rally ext4 defaults 0 0\n');
  assert.match(run(...DISK).said, /fstab already has UUID=33 for \/ci\/rally/);
  put('dev/sdc', 'btrfs recheck 44\n');
  mark('mounted', join(root, 'dev/sdc'));
  const { code, said, changes } = run(...DISK);
  assert.equal(code, 1);
  assert.match(said, /\/dev\/sdc is mounted at \/ci\/rally, not \/dev\/sdb/);
  assert.deepEqual(changes, []);
});

test('on an existing btrfs a subvolume is created; on another file system it says what to add', () => {
  assert.match(run('--btrfs', '/ci/rally').said, /not on btrfs. Add an empty disk/);
  mark('fstype', 'btrfs\n');
  assert.ok(run('--btrfs', '/ci/rally').changes.includes(`btrfs subvolume create ${root}/ci/rally`));
  assert.deepEqual(run('--btrfs', '/ci/rally').changes, []);
});

test('zfs: the dataset is created in an existing pool', () => {
  mark('datasets', 'tank\n');
  assert.match(run('--zfs', 'pool/recheck').said, /the ZFS dataset pool does not exist/);
  assert.ok(run('--zfs', 'tank/recheck').changes.includes('zfs create tank/recheck'));
  assert.deepEqual(run('--zfs', 'tank/recheck').changes, []);
});

test('the default is a plain folder; one that guests cannot enter is reported', () => {
  assert.match(run().said, /Storage {2}directory\n {2}Path {5}\/var\/lib\/recheck/);
  assert.ok(statSync(join(root, 'var/lib/recheck')).isDirectory());
  chmodSync(join(root, 'var/lib'), 0o700);
  const { code, lines } = run();
  assert.equal(code, 1);
  assert.match(of(lines, 'BY HAND').join(), /\/var\/lib: guests cannot enter it: chmod a\+x \/var\/lib/);
});

test('the key is added once, after others, and only a public key is accepted', () => {
  put('root/.ssh/authorized_keys', '# mine\nssh-rsa AAAAB3NzaC1yc2E= me');
  writeFileSync(join(dir, 'key.pub'), `${KEY}\r\n`);
  run('--key-file', join(dir, 'key.pub'));
  // ssh passes the key on as several words.
  run('--key', ...KEY.split(' ').slice(0, 2), 'renamed', '--directory', '/var/lib/recheck');
  assert.equal(read('root/.ssh/authorized_keys'), `# mine\nssh-rsa AAAAB3NzaC1yc2E= me\n${KEY}\n`);

  put('root/.ssh/authorized_keys', `command="echo no, not root" ${KEY}\n`);
  const behind = run('--key', KEY);
  assert.equal(behind.code, 1);
  assert.match(of(behind.lines, 'BY HAND').join(), /has options before it/);

  for (const [key, why] of [
    ['hello', /not a public key/],
    [generateKeyPair('x').privateKey, /private key, which must never leave/],
    [`${KEY}\n${KEY}`, /not a public key/],
    [`command="x" ${KEY}`, /not a public key/],
    ['ssh-ed25519 AAAAB3NzaC1yc2E=', /ssh-ed25519 key is damaged/],
  ] as const) {
    const { code, said, changes } = run('--key', key);
    assert.equal(code, 1, key);
    assert.match(said, why);
    assert.deepEqual(changes, []);
  }
});

test("sshd's settings: an error is undone, settings elsewhere are reported, without an include nothing is written", () => {
  const drop = join(root, 'etc/ssh/sshd_config.d/00-recheck.conf');
  mark('sshd-fault');
  const fault = run('--key', KEY);
  assert.equal(fault.code, 1);
  assert.match(fault.said, /failed: ssh: login as root by key allowed/);
  assert.ok(!existsSync(drop));
  rmSync(join(state, 'sshd-fault'));

  mark('sshd-stubborn');
  for (const _ of [1, 2]) {
    const { code, lines } = run('--key', KEY);
    assert.equal(code, 1);
    assert.match(
      of(lines, 'BY HAND').join(),
      /PermitRootLogin no, ?MaxSessions 10 is set elsewhere in sshd's settings/,
    );
  }
  rmSync(drop);
  put('etc/ssh/sshd_config', '# Include /etc/ssh/sshd_config.d/*.conf\n');
  assert.match(run('--key', KEY).said, /BY HAND.*first line of \/etc\/ssh\/sshd_config: Include/);
  assert.ok(!existsSync(drop));
});

test('without systemd it says what to start, and does the rest', () => {
  rmSync(join(root, 'run/systemd'), { recursive: true });
  mark('libvirt-off');
  const { code, lines } = run('--key', KEY);
  assert.equal(code, 1);
  assert.match(of(lines, 'BY HAND').join('\n'), /start sshd[\s\S]*start virtlogd -d and libvirtd -d/);
  assert.ok(existsSync(join(root, 'root/.ssh/authorized_keys')));
});

test('an ARM machine gets the QEMU and the UEFI firmware of its own architecture', () => {
  for (const [name, text] of [
    ['uname', '#!/bin/sh\necho aarch64\n'],
    ['qemu-system-aarch64', '#!/bin/sh\n'],
  ] as const) {
    writeFileSync(join(dir, 'bin', name), text);
    chmodSync(join(dir, 'bin', name), 0o755);
  }
  rmSync(join(dir, 'bin', 'qemu-system-x86_64'));
  const { code, said, changes } = run();
  assert.equal(code, 0, said);
  const install = changes.find((line) => line.includes(' install '))!;
  assert.match(install, / qemu-system-arm qemu-efi-aarch64\b/);
  assert.doesNotMatch(install, /qemu-system-x86|ovmf/);
});

test('each release has its packages; another release is refused, or treated as one of them', () => {
  put('etc/os-release', 'ID=ubuntu\nVERSION_ID="26.04"\n');
  assert.match(run('--dry-run').said, /installed libvirt-daemon-system .* libvirt-daemon-driver-network/);
  put('etc/os-release', 'ID=fedora\nVERSION_ID=44\n');
  const { code, said, changes } = run();
  assert.equal(code, 1);
  assert.match(said, /this machine is "fedora 44"; packages are known for Debian 12 and 13, Ubuntu/);
  assert.deepEqual(changes, []);
  assert.equal(run('--dry-run', '--assume', 'debian-12').code, 0);
  assert.equal(run('--dry-run', '--assume', 'debian').code, 1);
});

test('wrong options and users other than root are refused with the reason', () => {
  for (const [args, why] of [
    [['--frob'], /unknown option "--frob"/],
    [['--btrfs'], /--btrfs needs a value/],
    [['--disk', '/dev/sdb'], /need --btrfs/],
    [['--btrfs', '/ci', '--zfs', 'tank'], /choose one/],
    [['--btrfs', '/ci dir'], /must be an absolute path/],
    [['--btrfs', '/ci/../etc'], /must be an absolute path/],
    [['--btrfs', '/'], /must be an absolute path/],
    [['--btrfs', '/ci', '--sparse', '/f', '--size', '10'], /--size 10: must be a number with M, G or T/],
    [['--zfs', '/tank'], /is not a ZFS dataset/],
  ] as const) {
    const { code, said } = run(...args);
    assert.equal(code, 1, args.join(' '));
    assert.match(said, why);
  }
  mark('uid', '1000\n');
  assert.match(run().said, /must run as root: use sudo/);
});
