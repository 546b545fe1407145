import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Addresses } from '../../lib/libvirt/addresses.ts';
import { Networks } from '../../lib/libvirt/networks.ts';
import { Virsh } from '../../lib/libvirt/virsh.ts';
import { scriptedHost } from './scripted-host.ts';

const signal = AbortSignal.timeout(20_000);
const what = 'the list of guests';
const virshOf = (answer: Parameters<typeof scriptedHost>[0]): Virsh =>
  new Virsh('worker host-a', 'qemu:///system', async () => scriptedHost(answer));

test('a command gives its output; one that fails says what failed, where and why', async () => {
  const seen: (readonly string[])[] = [];
  const good = virshOf((argv) => {
    seen.push(argv);
    return { stdout: 'one\n' };
  });
  assert.equal(await good.run(['list'], { signal, what }), 'one\n');
  assert.deepEqual(seen, [['env', 'LC_ALL=C', 'virsh', '-q', '-c', 'qemu:///system', 'list']]);
  const bad = virshOf(() => ({ code: 1, stderr: 'error: failed to do it\nerror: no right\n' }));
  await assert.rejects(bad.run(['list'], { signal, what }), {
    code: 'libvirt/failed',
    message: 'worker host-a: the list of guests failed: failed to do it no right.',
  });
  const none = virshOf(() => ({ code: 127, stderr: "env: 'virsh': No such file or directory\n" }));
  await assert.rejects(none.run(['list'], { signal, what }), { code: 'libvirt/no-virsh' });
});

test('a daemon that restarts is waited for', async () => {
  let calls = 0;
  const virsh = virshOf(() => {
    calls += 1;
    return calls < 3 ? { code: 1, stderr: 'error: failed to connect to the hypervisor' } : { stdout: 'back' };
  });
  assert.equal(await virsh.run(['list'], { signal, what }), 'back');
  assert.equal(calls, 3);
});

const ARP = `IP address HW type Flags HW address Mask Device
192.168.122.10 0x1 0x2 52:54:00:00:00:01 * virbr0
192.168.122.11 0x1 0x2 52:54:00:00:00:02 * virbr0
`;

test('who asks is told by the port of the bridge, not by the MAC that a frame claims', async () => {
  let ports = '52:54:00:00:00:01 dev rk525400000001 master virbr0\n52:54:00:00:00:02 dev vnet7 master virbr0\n';
  const virsh = virshOf(() => ({ stdout: `${ARP}--\n${ports}` }));
  const addresses = new Addresses(virsh, new Networks(virsh));
  addresses.note('victim', '52:54:00:00:00:01');
  addresses.note('other', '52:54:00:00:00:02');
  addresses.note('thief', '52:54:00:00:00:03');
  assert.equal(await addresses.domainAt('192.168.122.10', signal), 'victim');
  assert.equal(await addresses.domainAt('192.168.122.11', signal), 'other');
  assert.equal(await addresses.domainAt('192.168.122.12', signal), undefined);
  ports = '52:54:00:00:00:01 dev rk525400000003 master virbr0\n';
  assert.equal(await addresses.domainAt('192.168.122.10', signal), 'thief');
});

test('a stranger’s requests ask libvirt once a second at most', async () => {
  let lists = 0;
  const virsh = virshOf((argv) => {
    if (!argv.join(' ').includes('domiflist')) return { stdout: `${ARP}--\n` };
    lists += 1;
    return { stdout: 'found\t x network default virtio 52:54:00:00:00:02\n' };
  });
  const addresses = new Addresses(virsh, new Networks(virsh));
  for (let i = 0; i < 5; i++) assert.equal(await addresses.domainAt('192.168.122.10', signal), undefined);
  assert.equal(await addresses.domainAt('192.168.122.11', signal), 'found');
  assert.equal(lists, 1);
});

test('a network by its name, a network’s bridge and a foreign bridge; what is missing or down says so', async () => {
  const listed = 'network default yes virbr0\nnetwork lab no virbr1\nbridge virbr0\nbridge br0\n';
  const networks = new Networks(virshOf(() => ({ stdout: listed })));
  assert.deepEqual(await networks.resolve('default', signal), { network: 'default', bridge: 'virbr0' });
  assert.deepEqual(await networks.resolve('virbr0', signal), { network: 'default', bridge: 'virbr0' });
  assert.deepEqual(await networks.resolve('br0', signal), { bridge: 'br0' });
  await assert.rejects(networks.resolve('lab', signal), {
    code: 'libvirt/network-down',
    message: /virsh net-start lab/,
  });
  await assert.rejects(networks.resolve('br1', signal), {
    code: 'libvirt/no-network',
    message: /default, lab, virbr0, br0/,
  });
});
