import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { copyFileSync, existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { libvirtWorker } from '../../lib/libvirt/worker.ts';
import { MetadataRoutes } from '../../lib/metadata/routes.ts';
import { generateKeyPair } from '../../lib/ssh/keys.ts';
import { KnownHosts } from '../../lib/ssh/known-hosts.ts';
import { LinkPool } from '../../lib/ssh/link-pool.ts';
import { hostStorage } from '../../lib/storage/host-storage.ts';
import { type BareHost, bareHost, sh } from './bare-host.ts';
import { guestDisk, inSandbox, stackFolder } from './support.ts';
import { BOOT_TIMEOUT_MS, NETWORK } from './world.ts';

const SCRIPT = join(import.meta.dirname, '../../scripts/setup-worker');
const PLACE = '/mnt/ci/rally';
const SPARSE = ['--btrfs', PLACE, '--sparse', '/mnt/store/recheck.btrfs', '--size', '1G'];

inSandbox(import.meta.url, { limitMs: 300_000, disks: ['tiny'] }, () => {
  const key = generateKeyPair('controller');
  const setUp = (...args: string[]): { code: number | null; said: string } => {
    const { status, stdout, stderr } = spawnSync('bash', ['-s', '--', ...args], {
      input: readFileSync(SCRIPT),
      encoding: 'utf8',
    });
    return { code: status, said: stdout + stderr };
  };
  /** Returns sshd's effective configuration for a user. */
  const sshdConfigFor = (user: string): string => sh(`sshd -T -C user=${user},host=localhost,addr=127.0.0.1`);
  const pool = new LinkPool({ knownHosts: new KnownHosts(join(stackFolder!, 'worker.json')) });
  const link = pool.acquire({
    label: 'worker host-a',
    host: '127.0.0.1',
    port: 22,
    user: 'root',
    privateKey: key.privateKey,
  });
  const options = (): { signal: AbortSignal } => ({ signal: AbortSignal.timeout(180_000) });

  let bare: BareHost;
  before(async () => {
    // The strictest settings that a host may have.
    bare = await bareHost({ sshd: 'PermitRootLogin no\nAllowTcpForwarding no\nMaxSessions 2' });
  });
  after(async () => {
    link.release();
    pool.close();
    sh(`umount ${PLACE}`);
    await bare.close();
  });

  test('a dry run changes nothing', () => {
    const look = (): string =>
      sh('cat /etc/fstab; find /etc/ssh /root /mnt; findmnt; virsh -q net-list --all; sshd -T');
    const was = look();
    const { code, said } = setUp('--dry-run', ...SPARSE, '--key', key.publicKey);
    assert.equal(code, 0, said);
    assert.match(said, /would +btrfs: created in \/mnt\/store\/recheck\.btrfs/);
    assert.equal(look(), was);
  });

  test('a prepared worker clones images and boots guests for a controller that logs in with its key', async () => {
    const first = setUp(...SPARSE, '--key', key.publicKey);
    assert.equal(first.code, 0, first.said);
    assert.doesNotMatch(first.said, /would|BY HAND/);
    assert.match(sshdConfigFor('root'), /^permitrootlogin (without|prohibit)-password$/m);
    const conf = '/var/lib/libvirt/dnsmasq/default.conf';
    assert.match(readFileSync(conf, 'utf8'), /^dhcp-ignore-clid$/m, 'the created network');
    // Other users keep their settings.
    for (const setting of ['permitrootlogin no', 'allowtcpforwarding no', 'maxsessions 2'])
      assert.ok(sshdConfigFor('nobody').split('\n').includes(setting), setting);

    const second = setUp(...SPARSE, '--key', key.publicKey);
    assert.equal(second.code, 0, second.said);
    assert.doesNotMatch(second.said, /^done/m);
    assert.equal(readFileSync('/root/.ssh/authorized_keys', 'utf8').trim(), key.publicKey);

    const source = (signal: AbortSignal) => link.host(signal);
    const storage = hostStorage({ kind: 'btrfs', place: PLACE, host: source });
    const files = join(stackFolder!, 'image');
    mkdirSync(files);
    copyFileSync(guestDisk('tiny'), join(files, 'vda.qcow2'));
    const image = {
      name: 'tiny',
      key: 'k1',
      source: { kind: 'directory' as const, path: files },
      loginUser: 'root',
    };
    await storage.make(image, options());
    const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 1 };
    const clone = await storage.clone(image, 'recheck-b1-1-vm', owner, options());
    assert.equal(clone.path, join(PLACE, 'recheck-b1-1-vm'));
    assert.equal(statSync(clone.path).ino, 256, 'a subvolume');

    const { hypervisor } = libvirtWorker({
      id: 'a1b2c3d4',
      label: 'worker host-a',
      slots: 1,
      source,
      storage,
      route: new MetadataRoutes().of(`${owner.controller}_a1b2c3d4`, source),
      type: 'qemu',
      knownHosts: new KnownHosts(join(stackFolder!, 'guests.json')),
    });
    const domain = clone.name;
    const guest = { name: 'vm', domain, clone, memory: 192, vcpus: 1, networks: [NETWORK], owner };
    await hypervisor.boot(guest, options());
    const [address] = await hypervisor.addresses(domain, { signal: AbortSignal.timeout(BOOT_TIMEOUT_MS) });
    assert.match(address!.host, /^192\.168\.122\./);
    await hypervisor.stop(domain, options());
    await storage.remove(domain, options());
    assert.ok(!existsSync(clone.path));

    // As after a reboot: the file system can be mounted again, with its content.
    sh(`umount ${PLACE} && mount ${PLACE}`);
    assert.equal(await storage.has(image, options()), true);
  });

  test('an existing network is changed to ignore DHCP client ids, and restarted only if no guest is attached', () => {
    const definition = (): string => sh('virsh -q net-dumpxml --inactive default');
    const isIgnoring = (): boolean =>
      /^dhcp-ignore-clid$/m.test(readFileSync('/var/lib/libvirt/dnsmasq/default.conf', 'utf8'));
    // The network of Debian's package, and the sandbox's.
    const debian = `<network><name>default</name><forward mode='nat'/><bridge name='virbr0'/><metadata><o:note xmlns:o='urn:o'>ours</o:note></metadata>
      <ip address='192.168.122.1' netmask='255.255.255.0'><dhcp><range start='192.168.122.2' end='192.168.122.254'/></dhcp></ip></network>`;
    writeFileSync(join(stackFolder!, 'debian.xml'), debian);
    const sandboxes = join(import.meta.dirname, '../../scripts/real-stack/network.xml');
    for (const [file, isActive] of [
      [join(stackFolder!, 'debian.xml'), false],
      [sandboxes, true],
    ] as const) {
      sh(`virsh -q net-destroy default; virsh -q net-undefine default; virsh -q net-define ${file}`);
      if (isActive) sh('virsh -q net-start default');
      const was = definition();
      const first = setUp('--directory', '/mnt/folder');
      assert.equal(first.code, 0, first.said);
      assert.ok(isIgnoring(), first.said);
      const bare = (xml: string): string[] => xml.split('\n').filter((line) => !/dnsmasq|^<network/.test(line));
      assert.deepEqual(bare(definition()), bare(was));
      assert.equal(/no-ping/.test(definition()), /no-ping/.test(was));
      const second = setUp('--directory', '/mnt/folder');
      assert.equal(second.code, 0, second.said);
      assert.doesNotMatch(second.said, /^done/m);
    }
    // A guest's port is attached to the bridge.
    sh(`virsh -q net-destroy default; virsh -q net-undefine default; virsh -q net-define ${sandboxes}; virsh -q net-start default
      ip tuntap add dev guest0 mode tap && ip link set guest0 master virbr0`);
    const busy = setUp('--directory', '/mnt/folder');
    assert.equal(busy.code, 1, busy.said);
    assert.ok(!isIgnoring());
    assert.match(sh('ls /sys/class/net/virbr0/brif'), /guest0/);
    const command = /BY HAND .*which disconnects running guests.*: (virsh .*)/.exec(busy.said)![1]!;
    sh(`ip link del guest0; ${command}`);
    assert.ok(isIgnoring());
    const after = setUp('--directory', '/mnt/folder');
    assert.equal(after.code, 0, after.said);
  });

  test('an empty disk is formatted with btrfs, any other disk is refused and not changed', () => {
    const file = join(stackFolder!, 'disk.img');
    const disk = sh(`truncate -s 512M ${file} && losetup --find --show ${file}`);
    try {
      const refuse = (make: string, why: RegExp): void => {
        sh(make);
        const sum = sh(`sha256sum <${file}`);
        const { code, said } = setUp('--btrfs', '/mnt/disk', '--disk', disk);
        assert.equal(code, 1, said);
        assert.match(said, why);
        assert.equal(sh(`sha256sum <${file}`), sum);
        assert.ok(!existsSync('/mnt/disk'));
      };
      refuse(`mkfs.ext4 -q ${disk}`, /is not empty \(ext4\)/);
      refuse(`mkdir /mnt/other && mount -o ro ${disk} /mnt/other`, /is in use at \/mnt\/other/);
      refuse(
        `umount /mnt/other && wipefs -qa ${disk} && echo ',,L' | sfdisk -q ${disk}`,
        /partitions|not empty \(dos\)/,
      );
      refuse(`sfdisk -q --delete ${disk}; wipefs -qa ${disk}; mkfs.btrfs -qf ${disk}`, /is not empty \(btrfs\)/);
      // The commands that the refusal suggests.
      sh(`wipefs -qa ${disk} && dd if=/dev/zero of=${disk} bs=1M count=1 status=none`);
      const { code, said } = setUp('--btrfs', '/mnt/disk', '--disk', disk);
      assert.equal(code, 0, said);
      assert.match(sh('findmnt -n -o FSTYPE,LABEL -M /mnt/disk || :'), /^btrfs/);
      assert.match(readFileSync('/etc/fstab', 'utf8'), /^UUID=[0-9a-f-]{36} \/mnt\/disk btrfs noatime,nofail 0 0$/m);
      const again = setUp('--btrfs', '/mnt/disk', '--disk', disk);
      assert.equal(again.code, 0, again.said);
      assert.doesNotMatch(again.said, /^done/m);
      sh('umount /mnt/disk');
    } finally {
      sh(`umount -q /mnt/other /mnt/disk || :; losetup --detach ${disk}`);
    }
  });
});
