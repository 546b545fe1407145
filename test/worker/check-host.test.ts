import assert from 'node:assert/strict';
import { test } from 'node:test';
import { channelRefused, commandNotBegun, keyRefused, nameNotFound } from '../../lib/errors/ssh.ts';
import { OWNER_NAMESPACE } from '../../lib/libvirt/owner.ts';
import type { TypeAnswer } from '../../lib/libvirt/types.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { type CheckSettings, checkHost, unreachableCheck } from '../../lib/worker/check-host.ts';
import { scriptedHost } from '../libvirt/scripted-host.ts';

const signal = AbortSignal.timeout(20_000);

/** A Debian worker with all that it takes. */
const GOOD = `user root
system Debian GNU/Linux 12 (bookworm)
command virsh 9.0.0
command qemu-img qemu-img version 7.2.22 (Debian 1:7.2+dfsg-7)
command curl curl 7.88.1 (x86_64-pc-linux-gnu) libcurl/7.88.1 OpenSSL/3.0.19
command iptables iptables v1.8.9 (nf_tables)
command ip ip utility, iproute2-6.1.0, libbpf 1.1.2
command awk 
command btrfs btrfs-progs v6.2
libvirt Compiled against library: libvirt 9.0.0 Using library: libvirt 9.0.0 Using API: QEMU 9.0.0 Running hypervisor: QEMU 7.2.22
network active default
emulator /usr/bin/qemu-system-x86_64
qemu-user 
bridge virbr0
place root /ci/recheck
place kind btrfs
place free 262144 2621440 4096
place reflink yes
room MemAvailable:   8388608 kB
room 0.52 1.00 0.50 1/200 4242
`;
const SETTINGS: CheckSettings = {
  controller: 'c1c1c1c1c1c1',
  uri: 'qemu:///system',
  type: 'qemu',
  storage: { kind: 'btrfs', place: '/ci/recheck' },
  limits: { memory: 1024, load: 4 },
  remote: false,
};

/** What a look finds, line by line: `mark subject: detail | mend`. */
async function look(
  facts: string,
  settings: Partial<CheckSettings> = {},
  kvm = 'recheck: alive',
  guests = '',
): Promise<string[]> {
  const host = scriptedHost((argv) => {
    const text = argv.join(' ');
    if (text.includes('domcapabilities --virttype kvm')) return { stdout: '<path>/usr/bin/qemu-system-x86_64</path>' };
    if (text.includes(OWNER_NAMESPACE)) return { stdout: guests };
    return { stdout: text.includes('accel=kvm') ? kvm : facts };
  });
  const checks = await checkHost(host, { ...SETTINGS, ...settings }, signal);
  return checks.map(({ what, ok, detail, mend }) => `${ok ? '+' : '-'} ${what}: ${detail}${mend ? ` | ${mend}` : ''}`);
}

/** The same worker with lines taken away (by their beginning) or put to. */
const but = (without: string[], ...more: string[]): string =>
  [...GOOD.split('\n').filter((line) => !without.some((start) => line.startsWith(start))), ...more, ''].join('\n');

/** The one line about a subject; all of them where there are several. */
const of = (lines: string[], what: string): string =>
  lines.filter((line) => line.slice(2).startsWith(`${what}:`)).join('\n');

test('a worker that has all says what it has', async () => {
  assert.deepEqual(await look(GOOD), [
    '+ login: root on Debian GNU/Linux 12 (bookworm)',
    '+ commands: virsh 9.0.0, qemu-img 7.2.22, curl 7.88.1, iptables 1.8.9, ip 6.1.0, btrfs 6.2',
    '+ libvirt: libvirt 9.0.0, QEMU 7.2.22 at qemu:///system',
    '+ storage: btrfs at /ci/recheck: 1 GiB of 10 GiB free',
    '+ networks: active: default',
    '+ guests: emulated by QEMU, as the domain type is set',
    '+ room: 8192 MiB of memory free, load 0.52',
  ]);
});

test('each miss has the command that mends it', async () => {
  const missing = await look(but(['command curl', 'command btrfs'], 'missing curl', 'missing btrfs'));
  assert.equal(
    of(missing, 'commands'),
    '- commands: curl is not there. | apt-get install curl\n- commands: btrfs is not there. | apt-get install btrfs-progs',
  );
  assert.equal(of(missing, 'storage'), '', 'what is missing is said once');
  const silent = await look(
    but(['libvirt', 'network', 'emulator'], 'nolibvirt error: failed to connect error: No such file or directory'),
  );
  assert.match(
    of(silent, 'libvirt'),
    /^- libvirt: qemu:\/\/\/system does not answer: failed to connect; No such file or directory \| systemctl enable --now libvirtd$/,
  );
  assert.deepEqual([of(silent, 'networks'), of(silent, 'guests')], ['', ''], 'nothing is guessed without libvirt');
  assert.match(of(await look(but(['emulator'], 'emulator ')), 'guests'), /^- .* \| apt-get install qemu-system-x86$/);
  assert.match(of(await look(but(['user'], 'user ci')), 'login'), /^- login: The login is ci, .*Run Node-RED as root/);
  assert.match(
    of(await look(but([], 'norules raw iptables: No such table', 'nosysctl')), 'metadata'),
    /table raw, .*No such table \| modprobe iptable_raw\n- metadata: \/proc\/sys may not be written to/,
  );
  assert.match(
    of(await look(but(['room'], 'room MemAvailable: 1024 kB', 'room 0.10 0.10 0.10 1/2 3')), 'room'),
    /^- room: It has 1 MiB of free memory, and 1024 are wanted/,
  );
});

/** What a look says about a login shell and an SSH server that are like this. */
async function lookBySsh(facts: string, like: Partial<Host> | Error): Promise<string[]> {
  const host = scriptedHost((argv) => {
    if (like instanceof Error) throw like;
    return { stdout: argv.join(' ').includes('place reflink') ? facts : '' };
  });
  const checks = await checkHost(Object.assign(host, like), { ...SETTINGS, remote: true }, signal);
  return checks
    .filter(({ what }) => what === 'shell' || what === 'sessions')
    .map(({ what, ok, detail, mend }) => `${ok ? '+' : '-'} ${what}: ${detail}${mend ? ` | ${mend}` : ''}`);
}

test('a noisy login shell and an unusual one are said with what makes them usual; a usual one is not', async () => {
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

test('an SSH server of few sessions is said; one that takes none, and a shell that runs nothing, are no worker', async () => {
  assert.deepEqual(await lookBySsh(GOOD, { sessionLimit: undefined }), []);
  const few = await lookBySsh(GOOD, { sessionLimit: 1 });
  assert.match(few.join('\n'), /^\+ sessions: .* 1 session on .*MaxSessions.* \| echo 'MaxSessions 10' > /);
  const none = await lookBySsh(GOOD, channelRefused('worker a', '"/bin/sh"', new Error('open failed')));
  assert.match(none.join('\n'), /^- sessions: .*MaxSessions.* \| echo 'MaxSessions 10' > /);
  const place = { label: 'worker a', user: 'root', host: 'a', port: 22 };
  const nologin = commandNotBegun(place, '/bin/sh', 'ended with exit code 1 before it ran', 'No login today.');
  assert.match(
    (await lookBySsh(GOOD, nologin)).join('\n'),
    /^- shell: .*"No login today\." *.*\| chsh -s \/bin\/bash root$/,
  );
});

test('without dhcp_release builds run, and leases stay: what mends it is said beside what is there', async () => {
  const lines = of(await look(but([], 'missing dhcp_release')), 'commands').split('\n');
  assert.match(lines[0]!, /^\+ commands: virsh 9\.0\.0, /);
  assert.match(lines[1]!, /^\+ commands: dhcp_release is not there: .*leases.* \| apt-get install dnsmasq-utils$/);
  const worse = of(await look(but(['command curl'], 'missing curl', 'missing dhcp_release')), 'commands');
  assert.match(worse, /^- commands: curl .*\n\+ commands: dhcp_release .*dnsmasq-utils$/);
});

test('a worker that cannot unpack some images is told which, and what to install', async () => {
  const lines = of(await look(but([], 'missing xz', 'missing zstd', 'missing bzip2')), 'commands').split('\n');
  assert.match(lines[0]!, /^\+ commands: virsh /);
  for (const [index, [name, kind, install]] of [
    ['xz', 'xz', 'xz-utils'],
    ['zstd', 'zst', 'zstd'],
    ['bzip2', 'bz2', 'bzip2'],
  ].entries()) {
    const says = new RegExp(
      `^\\+ commands: ${name} is not there: images .*\\.${kind} .* \\| apt-get install ${install}$`,
    );
    assert.match(lines[index + 1]!, says);
  }
});

test('networks: one that sleeps is woken, none at all is defined, a bridge alone will do', async () => {
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

test('networks that go by DHCP client ids: each is said with what mends it and its warning, and is no failure', async () => {
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

test('storage of each kind: missing, of another kind, not mounted, shut to guests, not to be written to', async () => {
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

test('KVM is proved, and what was found out is kept where it was to be found out', async () => {
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
    /^- guests: KVM does not work, and is set/,
  );
  assert.equal(kept.length, 2);
});

test('a login that was refused hints at PermitRootLogin; another fault says itself', () => {
  const place = { label: 'worker a', user: 'root', host: '10.0.0.5', port: 22 };
  const refused = unreachableCheck(keyRefused(place, 'ssh-ed25519 AAAA recheck'));
  assert.match(refused.detail, /Add this line to \/root\/\.ssh\/authorized_keys there: ssh-ed25519 AAAA/);
  assert.match(refused.mend!, /PermitRootLogin prohibit-password.* systemctl reload ssh/);
  const lost = unreachableCheck(nameNotFound(place, new Error('ENOTFOUND')));
  assert.deepEqual([lost.ok, lost.mend], [false, undefined]);
});

test('guests of another Recheck are told of, its own and strangers’ are not', async () => {
  const guest = (controller: string) => `recheck-x\t<owner controller='${controller}' build='b1' attempt='1'/>\n`;
  const mine = `${guest('c1c1c1c1c1c1')}somebody's\t\n`;
  const said = '+ guests: emulated by QEMU, as the domain type is set';
  assert.equal(of(await look(GOOD, {}, '', mine), 'guests'), said);
  assert.equal(
    of(await look(GOOD, {}, '', mine + guest('c2c2c2c2c2c2')), 'guests'),
    `${said}\n+ guests: 1 of another Recheck: each takes a storage path and a libvirt network of its own here.`,
  );
});

const V2 = 'cx16 lahf_lm popcnt pni sse4_1 sse4_2 ssse3';
const V3 = `${V2} abm avx avx2 bmi1 bmi2 f16c fma movbe xsave`;

test('the processor that guests get: emulated, or the machine’s own', async () => {
  const processor = async (settings: Partial<CheckSettings>, ...more: string[]) =>
    of(await look(but([], 'arch x86_64', ...more), settings), 'processor');
  assert.equal(
    await processor({}, 'emulates x86-64-v2'),
    '+ processor: x86-64-v2, emulated; an image that needs x86-64-v3 can ask for it',
  );
  assert.match(
    await processor({}),
    /^\+ processor: QEMU cannot emulate x86-64-v2 .* \| apt-get install --only-upgrade/,
  );
  const old = but(['libvirt'], 'libvirt Running hypervisor: QEMU 6.2.0', 'arch x86_64', 'emulates x86-64-v2');
  assert.match(of(await look(old), 'processor'), /x86-64-v3 \(RHEL 10\) takes QEMU 7\.2/);
  for (const [flags, level] of [
    ['fpu sse2', 1],
    [V2, 2],
    [V3, 3],
    [`${V3} avx512f avx512bw avx512cd avx512dq avx512vl`, 4],
  ] as const)
    assert.equal(
      await processor({ type: 'auto' }, `cpu ${flags}`),
      `+ processor: x86-64-v${level}, this machine's own`,
    );
  const arm = of(await look(but(['arch'], 'arch aarch64'), { type: 'auto' }, ''), 'guests');
  assert.doesNotMatch(arm, /modprobe/);
  assert.equal(of(await look(but([], 'arch aarch64')), 'processor'), '+ processor: aarch64, emulated');
  assert.match(of(await look(but(['emulator'], 'arch aarch64', 'emulator ')), 'guests'), /aarch64.*qemu-system-arm$/);
});

test('UEFI that is missing is a hint, unless an image that is used here needs it', async () => {
  const firmware = async (facts: string[], uefiImages?: string[]) =>
    of(await look(but([], ...facts), uefiImages ? { uefiImages } : {}), 'firmware');
  assert.equal(await firmware(['uefi chosen']), '+ firmware: BIOS, UEFI');
  assert.equal(await firmware(['uefi /fw/CODE.fd'], ['alma']), '+ firmware: BIOS, UEFI by /fw/CODE.fd');
  assert.match(await firmware(['uefi none']), /^\+ firmware: BIOS only\. .* \| apt-get install ovmf$/);
  assert.match(
    await firmware(['uefi none'], ['alma', 'rocky']),
    /^- firmware: .*: alma, rocky\. \| apt-get install ovmf$/,
  );
  assert.equal(await firmware(['arch aarch64', 'uefi chosen']), '+ firmware: UEFI');
  assert.match(await firmware(['arch aarch64', 'uefi none']), /^- firmware: .* \| apt-get install qemu-efi-aarch64$/);
});
