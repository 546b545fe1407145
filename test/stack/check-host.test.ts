import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, afterEach, before, beforeEach, test } from 'node:test';
import type { Check } from '../../lib/libvirt/check/item.ts';
import { type CheckSettings, checkHost } from '../../lib/libvirt/check.ts';
import { PrivateBridges } from '../../lib/libvirt/network/private-bridges.ts';
import { Virsh } from '../../lib/libvirt/virsh.ts';
import { connectHost } from '../../lib/ssh/connect.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import { localHost } from '../../lib/ssh/local.ts';
import type { Host } from '../../lib/ssh/types.ts';
import { type OpenSsh, startOpenSsh } from '../support/openssh.ts';
import { controlLibvirtd, inSandbox, inventory, stackFolder } from './support.ts';

/** The definition of the sandbox's network. */
const NETWORK = join(import.meta.dirname, '../../scripts/real-stack/network.xml');

inSandbox(import.meta.url, { limitMs: 300_000, disks: [] }, () => {
  const ci = join(stackFolder!, 'ci');
  const settings: CheckSettings = {
    controller: 'c1c1c1c1c1c1',
    uri: 'qemu:///system',
    type: 'qemu',
    storage: { kind: 'btrfs', place: ci },
    // Other tests may be using the machine.
    limits: { memory: 1, load: 1_000 },
    remote: true,
  };
  let sshd: OpenSsh;
  let host: Host;
  let before_: ReturnType<typeof inventory>;
  before(async () => {
    sshd = await startOpenSsh();
    host = await connect(sshd);
  });
  after(async () => {
    host.close();
    await sshd.remove();
  });
  beforeEach(() => {
    before_ = inventory();
  });
  afterEach(() => assert.deepEqual(inventory(), before_, 'a check changes nothing'));

  const connect = (to: OpenSsh): Promise<Host> =>
    connectHost({ ...to.target, label: 'worker host-a' }, { knownHosts: new KnownHosts(join(to.dir, 'hosts.json')) });
  const check = (more: Partial<CheckSettings> = {}, at = host): Promise<Check[]> =>
    checkHost(at, { ...settings, ...more }, AbortSignal.timeout(180_000));
  const wrong = (checks: Check[]): string[] => checks.filter(({ ok }) => !ok).map(({ what }) => what);
  const of = (checks: Check[], what: string): Check => checks.find((one) => one.what === what)!;
  /** Runs the suggested command, as an operator would. */
  const applyFix = ({ fix: command }: Check): void => {
    execFileSync('sh', ['-c', command!], { stdio: 'pipe' });
  };

  test('a well-prepared worker passes all checks, over SSH and directly', async () => {
    for (const checks of [await check(), await check({ remote: false }, localHost('worker here'))]) {
      assert.deepEqual(wrong(checks), [], JSON.stringify(checks, undefined, 1));
      assert.match(of(checks, 'login').detail, /^root on \w/);
      assert.match(of(checks, 'commands').detail, /virsh \d+\.\d+.*qemu-img \d.*curl \d.*iptables \d.*ip \d.*btrfs \d/);
      assert.match(of(checks, 'libvirt').detail, /^libvirt \d+\.\d+\.\d+, QEMU \d+\.\d+\.\d+ at qemu:\/\/\/system$/);
      assert.match(of(checks, 'storage').detail, /^btrfs at \S+: \d[\d.]* GiB of 8 GiB free$/);
      assert.equal(of(checks, 'networks').detail, 'active: default');
      assert.match(of(checks, 'processor').detail, /^x86-64-v2, emulated/);
      assert.equal(of(checks, 'firmware').detail, 'BIOS, UEFI');
    }
  });

  test('KVM is tried, and the result is reported either way', async () => {
    const kept: string[] = [];
    const answers = {
      get: () => undefined,
      set: ({ type }: { type: string }) => void kept.push(type),
      forget: () => {},
    };
    const guests = of(await check({ type: 'auto', answers }), 'guests');
    assert.equal(guests.ok, true, guests.detail);
    assert.match(guests.detail, kept[0] === 'kvm' ? /^KVM works/ : /^emulated by QEMU, since KVM does not work: \w/);
    assert.equal(kept.length, 1);
  });

  test('the suggested commands fix an inactive network and a missing storage path', async () => {
    execFileSync('virsh', ['-q', 'net-destroy', 'default']);
    const place = join(mkdtempSync(join(ci, 'fix-')), 'deep', "it's here");
    const checks = await check({ storage: { kind: 'btrfs', place } });
    assert.deepEqual(wrong(checks), ['storage', 'networks'], JSON.stringify(checks));
    applyFix(of(checks, 'networks'));
    applyFix(of(checks, 'storage'));
    assert.deepEqual(wrong(await check({ storage: { kind: 'btrfs', place } })), []);
    execFileSync('virsh', ['-q', 'net-autostart', '--disable', 'default']);
    execFileSync('btrfs', ['-q', 'subvolume', 'delete', place]);
  });

  test('the suggested command makes a network ignore DHCP client ids, and changes nothing else', async () => {
    const virsh = (...args: string[]): string => execFileSync('virsh', ['-q', ...args], { encoding: 'utf8' });
    const remarks = async (): Promise<Check[]> => (await check()).filter(({ detail }) => /client ids/.test(detail));
    const definition = (): string => virsh('net-dumpxml', '--inactive', 'default');
    /** Changes the network's definition, but not the running network. */
    const define = (xml: string): void => {
      const file = join(stackFolder!, 'network.xml');
      writeFileSync(file, xml);
      virsh('net-define', file);
    };
    const withoutOptions = (): string => definition().replace(/ *<dnsmasq:options>[\s\S]*<\/dnsmasq:options>\n/, '');
    const restart = (): void => {
      virsh('net-destroy', 'default');
      virsh('net-start', 'default');
    };
    const bare = (xml: string): string[] => xml.split('\n').filter((line) => !/dnsmasq|^<network/.test(line));
    const pid = (): string => readFileSync('/run/libvirt/network/default.pid', 'utf8');
    try {
      for (const hasOptions of [true, false]) {
        const was = definition();
        const [remark, ...more] = await remarks();
        assert.deepEqual([remark?.ok, more.length], [true, 0]);
        assert.match(remark!.detail, /Network default .*cuts running guests off/);
        const old = pid();
        applyFix(remark!);
        assert.notEqual(pid(), old, 'dnsmasq was restarted');
        assert.match(readFileSync('/var/lib/libvirt/dnsmasq/default.conf', 'utf8'), /^dhcp-ignore-clid$/m);
        assert.deepEqual(bare(definition()), bare(was));
        assert.deepEqual([/no-ping/.test(was), /no-ping/.test(definition())], [hasOptions, hasOptions]);
        const ignoring = definition();
        define(withoutOptions());
        assert.deepEqual(await remarks(), [], 'only the running configuration counts');
        restart();
        define(ignoring);
        const [late] = await remarks();
        assert.equal(late!.fix, 'virsh net-destroy default && virsh net-start default');
        define(withoutOptions());
      }
    } finally {
      execFileSync(
        'sh',
        [
          '-c',
          `virsh -q net-destroy default; virsh -q net-undefine default; virsh -q net-define ${NETWORK} && virsh -q net-start default`,
        ],
        { stdio: 'pipe' },
      );
    }
  });

  test('a worker without any network fails the check', async () => {
    execFileSync('virsh', ['-q', 'net-destroy', 'default']);
    execFileSync('virsh', ['-q', 'net-undefine', 'default']);
    try {
      const networks = of(await check(), 'networks');
      assert.equal(networks.ok, false);
      assert.match(networks.fix!, /^virsh net-define \S+ && virsh net-start default/);
    } finally {
      execFileSync('virsh', ['-q', 'net-define', NETWORK]);
      execFileSync('virsh', ['-q', 'net-start', 'default']);
    }
  });

  test('the check reports the wrong file system, a missing dataset, and whether a folder has reflinks', async () => {
    const storage = async (kind: CheckSettings['storage']['kind'], place: string): Promise<Check> =>
      of(await check({ storage: { kind, place } }), 'storage');
    assert.match((await storage('btrfs', '/run')).detail, /^\/run is on tmpfs, not on btrfs\./);
    assert.match((await storage('zfs', 'pool/ci')).fix!, /^zfs create -p pool\/ci$/);
    assert.match((await storage('directory', ci)).detail, /clones share its blocks/);
    assert.match((await storage('directory', '/run')).detail, /clones are qcow2 overlays/);
    // If QEMU ran as another user, guests could not read such a folder.
    mkdirSync(join(ci, 'shut'));
    chmodSync(join(ci, 'shut'), 0o700);
    assert.equal((await storage('btrfs', join(ci, 'shut'))).ok, true, 'the sandbox’s guests are root');
    execFileSync('rmdir', [join(ci, 'shut')]);
  });

  test('a libvirt that does not answer fails the check', async () => {
    controlLibvirtd('stop');
    try {
      const checks = await check();
      assert.deepEqual(wrong(checks), ['libvirt']);
      assert.match(of(checks, 'libvirt').detail, /^qemu:\/\/\/system does not answer: .*socket/);
    } finally {
      controlLibvirtd('start');
    }
  });

  test('the check reports a noisy login shell and an sshd with one session, and the worker works', async () => {
    const home = mkdtempSync(join(stackFolder!, 'home-'));
    writeFileSync(join(home, '.bashrc'), 'echo Welcome; echo Beware >&2\numask 077\ncd /proc\n');
    const noisy = await startOpenSsh(['MaxSessions 1'], { home, shell: '/bin/bash' });
    const there = await connect(noisy);
    try {
      const checks = await check({}, there);
      assert.deepEqual(wrong(checks), [], JSON.stringify(checks));
      assert.match(of(checks, 'shell').detail, /"Welcome \/ Beware"/);
      assert.match(of(checks, 'sessions').detail, /1 session /);
      assert.deepEqual(
        checks
          .filter(({ what }) => what !== 'shell' && what !== 'sessions')
          .map(({ detail }) => detail.replace(/\d+/g, '')),
        (await check()).map(({ detail }) => detail.replace(/\d+/g, '')),
        'all other checks have the usual results',
      );
      const signal = AbortSignal.timeout(180_000);
      const bridges = new PrivateBridges(new Virsh('worker host-a', settings.uri, async () => there));
      const owner = { controller: 'c1c1c1c1c1c1', build: 'noisy', attempt: 1 };
      assert.match(await bridges.ensure(owner, 'quiet%', signal), /^quiet\d+$/);
      assert.equal((await bridges.list(signal)).length, 1);
      await bridges.release(owner, signal);
    } finally {
      there.close();
      await noisy.remove();
    }
  });

  test('an sshd that forwards no ports fails the check', async () => {
    const strict = await startOpenSsh(['AllowTcpForwarding no']);
    const there = await connect(strict);
    try {
      const checks = await check({}, there);
      assert.deepEqual(wrong(checks), ['forwarding']);
      assert.match(of(checks, 'forwarding').fix!, /AllowTcpForwarding yes/);
    } finally {
      there.close();
      await strict.remove();
    }
  });
});
