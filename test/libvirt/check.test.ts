import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelRefused, keyRefused, nameNotFound } from '../../lib/errors/ssh.ts';
import { commandNotBegun } from '../../lib/errors/ssh-command.ts';
import { type CheckSettings, checkHost, unreachableCheck } from '../../lib/libvirt/check.ts';
import type { TypeAnswer } from '../../lib/libvirt/types.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { but, GOOD, look, of, SETTINGS, signal } from './check/looked-at.ts';
import { scriptedHost } from './scripted-host.ts';

test('a complete worker lists what it has', async () => {
  assert.deepEqual(await look(GOOD), [
    '+ login: root on Debian GNU/Linux 12 (bookworm)',
    '+ commands: virsh 9.0.0, qemu-img 7.2.22, curl 7.88.1, iptables 1.8.9, ip 6.1.0, btrfs 6.2',
    '+ libvirt: libvirt 9.0.0, QEMU 7.2.22 at qemu:///system',
    '+ storage: btrfs at /ci/recheck: 1 GiB of 10 GiB free',
    '+ networks: active: default',
    '+ guests: emulated by QEMU, as set by the domain type',
    '+ capacity: 8192 MiB of memory free, load 0.52',
  ]);
});

test('each missing item has the command that fixes it', async () => {
  const missing = await look(but(['command curl', 'command btrfs'], 'missing curl', 'missing btrfs'));
  assert.equal(
    of(missing, 'commands'),
    '- commands: curl is missing. | apt-get install curl\n- commands: btrfs is missing. | apt-get install btrfs-progs',
  );
  assert.equal(of(missing, 'storage'), '', 'a missing command is reported once');
  const silent = await look(
    but(['libvirt', 'network', 'emulator'], 'nolibvirt error: failed to connect error: No such file or directory'),
  );
  assert.match(
    of(silent, 'libvirt'),
    /^- libvirt: qemu:\/\/\/system does not answer: failed to connect; No such file or directory \| systemctl enable --now libvirtd$/,
  );
  assert.deepEqual([of(silent, 'networks'), of(silent, 'guests')], ['', ''], 'nothing is guessed without libvirt');
  assert.match(of(await look(but(['emulator'], 'emulator ')), 'guests'), /^- .* \| apt-get install qemu-system-x86$/);
  assert.match(
    of(await look(but(['user'], 'user ci')), 'login'),
    /^- login: The login user is ci, .*Run Node-RED as root/,
  );
  assert.match(
    of(await look(but([], 'norules raw iptables: No such table', 'nosysctl')), 'metadata'),
    /table raw, .*No such table \| modprobe iptable_raw\n- metadata: \/proc\/sys is not writable/,
  );
  assert.match(
    of(await look(but(['capacity'], 'capacity MemAvailable: 1024 kB', 'capacity 0.10 0.10 0.10 1/2 3')), 'capacity'),
    /^- capacity: This worker has 1 MiB of free memory, and 1024 are wanted/,
  );
});

/** Returns the checks of a login shell and an SSH server with these properties. */
async function lookBySsh(facts: string, like: Partial<Host> | Error): Promise<string[]> {
  const host = scriptedHost((argv) => {
    if (like instanceof Error) throw like;
    return { stdout: argv.join(' ').includes('place reflink') ? facts : '' };
  });
  const checks = await checkHost(Object.assign(host, like), { ...SETTINGS, remote: true }, signal);
  return checks
    .filter(({ what }) => what === 'shell' || what === 'sessions')
    .map(({ what, ok, detail, fix }) => `${ok ? '+' : '-'} ${what}: ${detail}${fix ? ` | ${fix}` : ''}`);
}

test('a noisy or unusual login shell is reported with its fix; a usual one is not', async () => {
  for (const shell of ['/bin/bash', '/usr/bin/zsh', '/bin/dash', '/usr/bin/ksh93', '']) {
    assert.deepEqual(await lookBySsh(but([], `shell ${shell}`), { noise: '' }), [], shell);
  }
  const noisy = await lookBySsh(but([], 'shell /bin/bash'), { noise: '\x1b[31mWelcome to\r\nhost-a\x1b[0m\n' });
  assert.match(
    noisy.join('\n'),
    /^\+ shell: .*"Welcome to \/ host-a".*~\/\.bashrc.* \| case \$- in \*i\*\) ;; \*\) return ;; esac$/,
  );
  for (const shell of ['/usr/bin/fish', '/bin/csh', '/usr/bin/tcsh', '/usr/bin/pwsh', '/usr/bin/nu']) {
    const unusual = await lookBySsh(but([], `shell ${shell}`), { noise: '' });
    assert.match(unusual.join('\n'), /^\+ shell: The login shell is \/\S+\. .* \| chsh -s \/bin\/bash root$/, shell);
  }
});

test('a low session limit is reported; no sessions, or a shell that runs nothing, is an error', async () => {
  assert.deepEqual(await lookBySsh(GOOD, { sessionLimit: undefined }), []);
  const few = await lookBySsh(GOOD, { sessionLimit: 1 });
  assert.match(few.join('\n'), /^\+ sessions: .* 1 session per .*MaxSessions.* \| echo 'MaxSessions 10' > /);
  const none = await lookBySsh(GOOD, channelRefused('worker a', '"/bin/sh"', new Error('open failed')));
  assert.match(none.join('\n'), /^- sessions: .*MaxSessions.* \| echo 'MaxSessions 10' > /);
  const place = { label: 'worker a', user: 'root', host: 'a', port: 22 };
  const nologin = commandNotBegun(place, '/bin/sh', 'ended with exit code 1 before it ran', 'No login today.');
  assert.match(
    (await lookBySsh(GOOD, nologin)).join('\n'),
    /^- shell: .*"No login today\." *.*\| chsh -s \/bin\/bash root$/,
  );
});

test('builds run without dhcp_release, but leases remain: the fix is listed beside the installed commands', async () => {
  const lines = of(await look(but([], 'missing dhcp_release')), 'commands').split('\n');
  assert.match(lines[0]!, /^\+ commands: virsh 9\.0\.0, /);
  assert.match(lines[1]!, /^\+ commands: dhcp_release is missing: .*leases.* \| apt-get install dnsmasq-utils$/);
  const worse = of(await look(but(['command curl'], 'missing curl', 'missing dhcp_release')), 'commands');
  assert.match(worse, /^- commands: curl .*\n\+ commands: dhcp_release .*dnsmasq-utils$/);
});

test('image formats that a worker cannot unpack are reported with the package to install', async () => {
  const lines = of(await look(but([], 'missing xz', 'missing zstd', 'missing bzip2')), 'commands').split('\n');
  assert.match(lines[0]!, /^\+ commands: virsh /);
  for (const [index, [name, kind, install]] of [
    ['xz', 'xz', 'xz-utils'],
    ['zstd', 'zst', 'zstd'],
    ['bzip2', 'bz2', 'bzip2'],
  ].entries()) {
    const says = new RegExp(
      `^\\+ commands: ${name} is missing: images .*\\.${kind} .* \\| apt-get install ${install}$`,
    );
    assert.match(lines[index + 1]!, says);
  }
});

test('an inactive network is started, a missing one defined, and a bridge alone is enough', async () => {
  const idle = await look(but(['network'], 'network inactive default'));
  assert.equal(
    of(idle, 'networks'),
    '- networks: not active: default | virsh net-start default && virsh net-autostart default',
  );
  assert.match(of(await look(but(['network', 'bridge'])), 'networks'), /^- networks: .* \| virsh net-define /);
  assert.match(of(await look(but(['network'])), 'networks'), /^\+ networks: libvirt has none; bridges: virbr0 \| /);
  const other = await look(but([], 'network inactive lab'));
  assert.match(of(other, 'networks'), /^\+ networks: active: default; not active: lab \| virsh net-start lab/);
});

test('networks that use DHCP client ids are reported with a fix and its warning, and are no failure', async () => {
  const clid = async (...more: string[]) =>
    of(await look(but([], ...more)), 'networks')
      .split('\n')
      .slice(1);
  assert.deepEqual(await clid('dnsmasq 2.90'), []);
  const restart = (name: string) => `virsh net-destroy ${name} && virsh net-start ${name}`;
  const [plain, lab, later] = await clid('dnsmasq 2.90', 'clid none default', "clid options it's", 'clid defined set');
  assert.match(plain!, /^\+ networks: Network default .*restarts the network, which cuts running guests off/);
  assert.ok(
    plain!.endsWith(
      ` | virsh net-dumpxml --inactive default | sed -e 's|^<network|& xmlns:dnsmasq="http://libvirt.org/schemas/network/dnsmasq/1.0"|' -e 's|^</network>|<dnsmasq:options><dnsmasq:option value="dhcp-ignore-clid"/></dnsmasq:options>&|' | virsh net-define /dev/stdin && ${restart('default')}`,
    ),
    plain,
  );
  assert.ok(lab!.includes(`net-dumpxml --inactive 'it'\\''s' | sed -e 's|^  <dnsmasq:options>|`), lab);
  assert.match(later!, / \| virsh net-destroy set && virsh net-start set$/);
  for (const version of ['2.80', '2.9', '1.99']) {
    const [old] = await clid(`dnsmasq ${version}`, 'clid none default');
    assert.match(old!, /2\.81 or newer can ignore them; here is \d\.\d+\.$/);
  }
  for (const version of ['2.81', '2.81rc1', '3.0', '']) {
    assert.match((await clid(`dnsmasq ${version}`, 'clid none default'))[0]!, /net-define/, version);
  }
});

test('storage of each kind is reported if missing, of another kind, unmounted, closed to guests, or read-only', async () => {
  const storage = async (place: string[], settings: CheckSettings['storage']) =>
    of(await look(but(['place'], ...place.map((line) => `place ${line}`)), { storage: settings }), 'storage');
  const btrfs = { kind: 'btrfs', place: '/ci/re check' } as const;
  assert.equal(
    await storage(['missing btrfs'], btrfs),
    "- storage: There is no folder /ci/re check. | mkdir -p /ci && btrfs subvolume create '/ci/re check'",
  );
  assert.match(await storage(['missing ext2/ext3'], btrfs), /\| truncate .* && mkfs\.btrfs .*mount '\/ci\/re check'$/);
  assert.match(
    await storage(['root /ci/re check', 'kind ext2/ext3'], btrfs),
    /^- storage: \/ci\/re check is on ext2\/ext3, not on btrfs\. .* \| truncate/,
  );
  const closed = ['root /ci/x', 'kind btrfs', 'closed /ci/x', 'closed /ci', 'free 1 1 4096'];
  assert.match(
    await storage(closed, btrfs),
    /^- .*libvirt-qemu, who cannot enter \/ci, \/ci\/x\. \| chmod a\+x \/ci \/ci\/x$/,
  );
  assert.match(await storage(['root /ci', 'kind btrfs', 'refused Read-only file system'], btrfs), /Read-only/);
  const zfs = { kind: 'zfs', place: 'pool/ci' } as const;
  assert.match(await storage(['missing'], zfs), /no ZFS dataset pool\/ci.* \| zfs create -p pool\/ci$/);
  assert.match(await storage(['missing'], { kind: 'zfs', place: 'pool' }), /\| zpool create pool \/dev\/DISK$/);
  assert.match(
    await storage(['unmounted'], zfs),
    /not mounted\. \| zfs set mountpoint=\/pool\/ci pool\/ci && zfs mount pool\/ci$/,
  );
  const plain = { kind: 'directory', place: '/srv' } as const;
  assert.match(await storage(['missing ext2/ext3'], plain), /\| mkdir -p \/srv$/);
  const there = ['root /srv', 'kind xfs', 'free 262144 262144 4096'];
  assert.match(
    await storage([...there, 'reflink yes'], plain),
    /^\+ storage: directory at \/srv, clones share its blocks: 1 GiB/,
  );
  assert.match(await storage([...there, 'reflink no'], plain), /^\+ .*qcow2 overlays/);
});

test('KVM is tried, and the answer is kept if the type is automatic', async () => {
  const kept: TypeAnswer[] = [];
  const answers = { get: () => undefined, set: (answer: TypeAnswer) => void kept.push(answer), forget: () => {} };
  assert.match(of(await look(GOOD, { type: 'auto', answers }), 'guests'), /^\+ guests: KVM works/);
  const slow = of(await look(GOOD, { type: 'auto', answers }, ''), 'guests');
  assert.match(
    slow,
    /^\+ guests: emulated by QEMU, since KVM does not work: a guest .* no life .*\| modprobe kvm_intel/,
  );
  assert.deepEqual(
    kept.map(({ type }) => type),
    ['kvm', 'qemu'],
  );
  assert.match(
    of(await look(GOOD, { type: 'kvm', answers }, ''), 'guests'),
    /^- guests: KVM does not work, but the domain type requires it/,
  );
  assert.equal(kept.length, 2);
  // The probe asks less of KVM than the guest that failed.
  const proved = { type: 'qemu', why: 'KVM failed while it ran guest d.', isProved: true } as const;
  const failed = await look(GOOD, { type: 'auto', answers: { ...answers, get: () => proved } });
  assert.equal(of(failed, 'guests'), '+ guests: emulated by QEMU for a day: KVM failed while it ran guest d.');
  assert.equal(kept.length, 2, 'what a guest proved stays');
});

test('a refused login hints at PermitRootLogin; other errors explain themselves', () => {
  const place = { label: 'worker a', user: 'root', host: '10.0.0.5', port: 22 };
  const refused = unreachableCheck(keyRefused(place, 'ssh-ed25519 AAAA recheck'));
  assert.match(refused.detail, /Add this line to \/root\/\.ssh\/authorized_keys there: ssh-ed25519 AAAA/);
  assert.match(refused.fix!, /PermitRootLogin prohibit-password.* systemctl reload ssh/);
  const lost = unreachableCheck(nameNotFound(place, new Error('ENOTFOUND')));
  assert.deepEqual([lost.ok, lost.fix], [false, undefined]);
});

test('guests of another Recheck are reported, its own and those of other programs are not', async () => {
  const guest = (controller: string) => `recheck-x\t<owner controller='${controller}' build='b1' attempt='1'/>\n`;
  const mine = `${guest('c1c1c1c1c1c1')}somebody's\t\n`;
  const said = '+ guests: emulated by QEMU, as set by the domain type';
  assert.equal(of(await look(GOOD, {}, '', mine), 'guests'), said);
  assert.equal(
    of(await look(GOOD, {}, '', mine + guest('c2c2c2c2c2c2')), 'guests'),
    `${said}\n+ guests: 1 of another Recheck: each Recheck needs its own storage path and libvirt network here.`,
  );
});
