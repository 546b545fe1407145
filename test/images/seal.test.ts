import assert from 'node:assert/strict';
import { existsSync, lstatSync, readdirSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { CLOUD_INIT, ENABLED, type Files, goneKeys, KEYS, SHARED, seal, systemd } from './sealed-system.ts';

test('DHCP state of each client and random seeds are removed; files with similar names or paths stay', (t) => {
  const goes = [
    'var/lib/dhcp/dhclient.eth0.leases',
    'var/lib/dhcp/dhclient6.leases',
    'var/lib/dhclient/dhclient-5fb06bd0-eth0.lease',
    'var/lib/dhcpcd/eth0.lease',
    'var/lib/dhcpcd/eth0.lease6',
    'var/lib/dhcpcd/duid',
    'var/lib/dhcpcd/secret',
    'var/db/dhcpcd/eth0.lease',
    'var/db/dhcpcd/duid',
    'etc/dhcpcd.duid',
    'var/lib/systemd/network/dhcp-server-lease/eth1',
    'var/lib/wicked/duid.xml',
    'var/lib/wicked/iaid.xml',
    'var/lib/wicked/lease-eth0-dhcp-ipv4.xml',
    'var/lib/NetworkManager/internal-0e5f-eth0.lease',
    'var/lib/NetworkManager/dhclient-0e5f-eth0.lease',
    'var/lib/NetworkManager/secret_key',
    'var/lib/NetworkManager/timestamps',
    'var/lib/connman/ethernet_525400aabbcc_cable/data',
    'var/lib/systemd/random-seed',
    'var/lib/urandom/random-seed',
    'boot/loader/random-seed',
    'boot/efi/loader/random-seed',
    'var/lib/seedrng/seed.credit',
    'etc/udev/rules.d/70-persistent-net.rules',
  ];
  const stays = [
    'var/lib/dhcp/dhcpd.leases',
    'var/lib/dhcp/dhcpd6.leases~',
    'etc/dhcp/dhclient.conf',
    'etc/dhcpcd.conf',
    'etc/wicked/client.xml',
    'var/lib/NetworkManager/NetworkManager.state',
    'etc/NetworkManager/system-connections/office.nmconnection',
    'etc/systemd/network/10-lan.network',
    'etc/udev/rules.d/60-mine.rules',
    'var/lib/connman/settings',
    'var/lib/misc/mine',
    'boot/loader/loader.conf',
    'etc/hostname',
    'home/debian/random-seed',
    'root/.ssh/authorized_keys',
  ];
  const files = Object.fromEntries([...goes, ...stays].map((name) => [name, `${name}\n`]));
  for (const system of [{}, systemd()]) {
    const { gone, said, read } = seal(t, { ...files, ...system });
    assert.deepEqual(gone, goes);
    for (const name of stays) assert.equal(read(name), `${name}\n`);
    assert.equal(said, '');
  }
});

test('a random seed is removed after the service that saves it is stopped', (t) => {
  const cases: [string, Files, string][] = [
    ['var/lib/systemd/random-seed', systemd(), 'bin/systemctl'],
    ['var/lib/urandom/random-seed', {}, 'etc/init.d/urandom'],
    ['var/lib/seedrng/seed.credit', {}, 'etc/init.d/seedrng'],
  ];
  for (const [seed, system, service] of cases) {
    const saves = `#!/bin/sh\ncase " $*" in *' stop'*) echo new >"$ROOT/${seed}"; echo yes >"$ROOT/stopped" ;; esac\n`;
    const { gone, read } = seal(t, { [seed]: 'old', ...system, [service]: saves });
    assert.deepEqual(gone, [seed]);
    assert.equal(read('stopped'), 'yes\n');
  }
});

test('machine-id: emptied with systemd, removed if another init system creates one, otherwise reported', (t) => {
  const ids = { 'etc/machine-id': 'abc\n', 'var/lib/dbus/machine-id': 'abc\n' };
  const first = seal(t, { ...systemd(), ...ids });
  assert.equal(first.read('etc/machine-id'), '');
  assert.deepEqual(first.gone, ['var/lib/dbus/machine-id']);
  const linked = seal(t, { ...systemd(), 'etc/machine-id': 'abc\n', 'var/lib/dbus/machine-id': '-> /etc/machine-id' });
  assert.deepEqual([linked.read('etc/machine-id'), linked.gone], ['', []]);
  // The other way round: no dangling link may be left.
  const back = seal(t, {
    ...systemd(),
    'var/lib/dbus/machine-id': 'abc\n',
    'etc/machine-id': '-> /var/lib/dbus/machine-id',
  });
  assert.deepEqual([back.gone, back.read('etc/machine-id')], [['var/lib/dbus/machine-id'], '']);
  assert.ok(lstatSync(join(back.root, 'etc/machine-id')).isFile());
  assert.ok(!existsSync(join(seal(t, systemd()).root, 'etc/machine-id')), 'none is made up');

  for (const maker of ['bin/dbus-uuidgen', 'etc/init.d/machine-id']) {
    const { gone, said } = seal(t, { ...ids, [maker]: '' });
    assert.deepEqual([gone, said], [Object.keys(ids), '']);
  }
  const nobody = seal(t, ids);
  assert.deepEqual(nobody.gone, ['var/lib/dbus/machine-id']);
  assert.match(nobody.said, /^its guests share its machine-id: nothing in it would create a new one$/m);
});

test('host keys are removed if an enabled cloud-init creates new ones', (t) => {
  const newer = { 'cloud-init-local.service': 'enabled', 'cloud-init-network.service': 'static' };
  for (const states of [ENABLED, newer]) {
    const sealed = seal(t, { ...systemd(states), ...CLOUD_INIT, ...KEYS, 'etc/ssh/ssh_host_ed25519_key-cert.pub': '' });
    assert.deepEqual(goneKeys(sealed), Object.keys(KEYS));
    assert.ok(sealed.gone.includes('etc/ssh/ssh_host_ed25519_key-cert.pub'));
    assert.equal(sealed.said, '');
  }
  const listed = { 'etc/cloud/cloud.cfg': 'ssh_genkeytypes:\n  - rsa\ncloud_init_modules:\n- [ssh, always]\n' };
  assert.deepEqual(goneKeys(seal(t, { ...systemd(ENABLED), ...CLOUD_INIT, ...KEYS, ...listed })), Object.keys(KEYS));
});

test('host keys stay, with a report, if cloud-init is installed but will not create new ones', (t) => {
  const all = { ...systemd(ENABLED), ...CLOUD_INIT, ...KEYS };
  const cases: Record<string, Files> = {
    'not installed': { ...systemd(ENABLED), ...KEYS },
    'a file disables it': { ...all, 'etc/cloud/cloud-init.disabled': '' },
    'its generator disabled it': { ...all, 'run/cloud-init/disabled': '' },
    'the kernel’s command line disables it': { ...all, 'proc/cmdline': 'root=/dev/vda1 cloud-init=disabled ro\n' },
    'its units are disabled': { ...all, ...systemd({ ...ENABLED, 'cloud-init.service': 'disabled' }) },
    'a unit is masked': { ...all, ...systemd({ ...ENABLED, 'cloud-init-local.service': 'masked' }) },
    'a unit is enabled for this boot only': {
      ...all,
      ...systemd({ ...ENABLED, 'cloud-init-local.service': 'enabled-runtime' }),
    },
    'it has no ssh module': { ...all, 'etc/cloud/cloud.cfg': 'cloud_init_modules:\n  - migrator\n  - ssh_import_id\n' },
    'it makes no types': { ...all, 'etc/cloud/cloud.cfg.d/50.cfg': 'ssh_genkeytypes: ~ # left to sshd-keygen\n' },
    'none either': { ...all, 'etc/cloud/cloud.cfg.d/50.cfg': 'ssh_genkeytypes: [ ]\n' },
    'OpenRC, not in a runlevel': {
      ...CLOUD_INIT,
      ...KEYS,
      'etc/init.d/cloud-init': '',
      'etc/runlevels/boot/hostname': '',
    },
  };
  for (const [title, files] of Object.entries(cases)) {
    const sealed = seal(t, files);
    assert.deepEqual(goneKeys(sealed), [], title);
    assert.match(sealed.said, SHARED, title);
  }
  assert.equal(seal(t, systemd()).said, '', 'without keys there is nothing to say');
});

test('host keys are removed if a unit or init script creates new ones', (t) => {
  const units = (unit: string, text: string, more: Record<string, string> = {}): Files =>
    systemd({}, { [unit]: text, ...more });
  const makes: Files[] = [
    units('sshd.service', 'Wants=sshd-keygen.target'),
    units('sshd.service', 'Wants=sshdgenkeys.service'),
    units('sshd.service', 'ExecStartPre=/usr/sbin/sshd-gen-keys-start'),
    { 'etc/init.d/sshd': 'start() {\n  ssh-keygen -A\n}\n' },
    { ...CLOUD_INIT, 'etc/runlevels/boot/cloud-init': '-> /etc/init.d/cloud-init' },
    { ...CLOUD_INIT, 'etc/rc2.d/S03cloud-init': '' },
  ];
  for (const files of makes) {
    const sealed = seal(t, { ...files, ...KEYS });
    assert.deepEqual(goneKeys(sealed), Object.keys(KEYS), JSON.stringify(files));
    assert.equal(sealed.said, '');
  }
  const makesNone: Files[] = [
    units('ssh.service', 'ExecStartPre=/usr/sbin/sshd -t'),
    // An empty machine-id does not make a first boot.
    units('ssh.service', 'Wants=sshd-keygen.service', { 'sshd-keygen.service': 'ConditionFirstBoot=yes' }),
    { 'etc/init.d/ssh': '# see ssh-keygen(1)\n' },
    { 'etc/init.d/dropbear': 'dropbearkey -t ed25519 -f key\n' },
  ];
  for (const files of makesNone) {
    const sealed = seal(t, { ...files, ...KEYS });
    assert.deepEqual(goneKeys(sealed), [], JSON.stringify(files));
    assert.match(sealed.said, SHARED);
  }
});

test('dropbear’s host keys are removed if it creates new ones', (t) => {
  const key = { 'etc/dropbear/dropbear_ed25519_host_key': 'k', 'etc/dropbear/authorized_keys': '' };
  for (const files of [
    { 'etc/init.d/dropbear': 'dropbearkey -t ed25519 -f key\n' },
    { 'etc/inittab': '::respawn:/usr/sbin/dropbear -F -R -E\n' },
    systemd({}, { 'dropbear.service': 'ExecStart=/usr/sbin/dropbear -EFR -p 22' }),
  ]) {
    assert.deepEqual(seal(t, { ...files, ...key }).gone, ['etc/dropbear/dropbear_ed25519_host_key']);
  }
  for (const files of [
    {},
    { 'etc/inittab': '::respawn:/usr/sbin/dropbear -F -E\n# dropbear -R\n' },
    systemd({}, { 'dropbear.service': 'ExecStart=/usr/sbin/dropbear -EF -p 22' }),
  ]) {
    const { gone, said } = seal(t, { ...files, ...key });
    assert.deepEqual(gone, []);
    assert.match(said, /^its guests share its SSH host keys: dropbear would not create new ones$/m);
  }
});

test('cloud-init’s instance and logs are removed; files of the operator and of packages stay', (t) => {
  const goes = [
    'var/lib/cloud/instances/i-1/obj.pkl',
    'var/lib/cloud/instances/i-1/user-data.txt',
    'var/lib/cloud/instances/i-1/sem/config_runcmd',
    'var/lib/cloud/instance',
    'var/lib/cloud/data/instance-id',
    'var/lib/cloud/data/previous-instance-id',
    'var/lib/cloud/data/set-hostname',
    'var/lib/cloud/data/status.json',
    'var/log/cloud-init.log',
    'var/log/cloud-init-output.log',
  ];
  const stays = [
    'var/lib/cloud/scripts/per-boot/mine.sh',
    'var/lib/cloud/seed/nocloud/meta-data',
    'var/lib/cloud/sem/config_growpart.once',
    'etc/cloud/cloud.cfg.d/99-mine.cfg',
    'var/log/syslog',
  ];
  const files: Files = Object.fromEntries([...goes, ...stays].map((name) => [name, '']));
  files['var/lib/cloud/instance'] = '-> /var/lib/cloud/instances/i-1';
  for (const system of [systemd(ENABLED), systemd(), {}]) {
    assert.deepEqual(seal(t, { ...files, ...CLOUD_INIT, ...system }).gone, goes);
  }
});

const NETPLAN = `network:
  version: 2
  ethernets:
    ens3:
      dhcp4: true
      match:
        macaddress: "52:54:00:aa:bb:cc"
      set-name: "ens3"
    lan:
      match:
        macaddress: "52:54:00:aa:bb:dd"
        name: en*
      dhcp6: true
    last:
      dhcp4: true
      match:
        driver: virtio_net
`;

test('cloud-init’s network configuration stays if it is rewritten, otherwise it loses this guest’s MAC', (t) => {
  const files: Files = {
    'etc/netplan/50-cloud-init.yaml': NETPLAN,
    'etc/netplan/01-mine.yaml': NETPLAN,
    'etc/systemd/network/10-cloud-init-eth0.network': '[Match]\nMACAddress=52:54:00:aa:bb:cc\nName=eth0\n',
    'etc/NetworkManager/system-connections/cloud-init-eth0.nmconnection': '[ethernet]\nmac-address=52:54:00:AA:BB:CC\n',
    'etc/sysconfig/network-scripts/ifcfg-eth0': '# Created by cloud-init\nDEVICE=eth0\nHWADDR=52:54:00:aa:bb:cc\n',
    'etc/sysconfig/network-scripts/ifcfg-eth1': 'DEVICE=eth1\nHWADDR=52:54:00:aa:bb:dd\n',
  };
  const enabled = seal(t, { ...systemd(ENABLED), ...CLOUD_INIT, ...files });
  for (const [name, text] of Object.entries(files)) assert.equal(enabled.read(name), text);

  const { read, gone, root } = seal(t, { ...systemd(), ...CLOUD_INIT, ...files });
  assert.deepEqual(gone, []);
  assert.equal(
    read('etc/netplan/50-cloud-init.yaml'),
    `network:
  version: 2
  ethernets:
    ens3:
      dhcp4: true
    lan:
      match:
        name: en*
      dhcp6: true
    last:
      dhcp4: true
      match:
        driver: virtio_net
`,
  );
  assert.deepEqual(readdirSync(join(root, 'etc/netplan')).sort(), ['01-mine.yaml', '50-cloud-init.yaml']);
  assert.equal(read('etc/netplan/01-mine.yaml'), NETPLAN);
  assert.equal(read('etc/systemd/network/10-cloud-init-eth0.network'), '[Match]\nName=eth0\n');
  assert.equal(read('etc/NetworkManager/system-connections/cloud-init-eth0.nmconnection'), '[ethernet]\n');
  assert.equal(read('etc/sysconfig/network-scripts/ifcfg-eth0'), '# Created by cloud-init\nDEVICE=eth0\n');
  assert.equal(read('etc/sysconfig/network-scripts/ifcfg-eth1'), files['etc/sysconfig/network-scripts/ifcfg-eth1']);
});

test('an iSCSI initiator’s name is recreated as the distribution does, otherwise reported', (t) => {
  const name = 'etc/iscsi/initiatorname.iscsi';
  const one = { [name]: 'InitiatorName=iqn.1993-08.org.debian:01:abc\n' };
  const debian = seal(t, { ...systemd(), ...one, 'lib/open-iscsi/startup-checks.sh': 'grep -q ^GenerateName=yes\n' });
  assert.deepEqual([debian.read(name), debian.said], ['GenerateName=yes\n', '']);
  const redHat = seal(t, { ...systemd({ 'iscsi-init.service': 'static' }), ...one });
  assert.deepEqual([redHat.gone, redHat.said], [[name], '']);
  const other = seal(t, { ...systemd(), ...one });
  assert.equal(other.read(name), one[name]);
  assert.match(other.said, /^its guests share its iSCSI initiator name/m);
  const waiting = seal(t, { ...systemd(), [name]: 'GenerateName=yes\n' });
  assert.deepEqual([waiting.read(name), waiting.said], ['GenerateName=yes\n', '']);
});
