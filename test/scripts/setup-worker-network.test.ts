import assert from 'node:assert/strict';
import { readFileSync, rmSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { mark, of, put, root, run, state } from './fake-machine.ts';

const OPTION = "<dnsmasq:option value='dhcp-ignore-clid'/>";
const BY_HAND = /disconnects running guests.*: virsh -c qemu:\/\/\/system net-destroy default && .* net-start default$/;

/** A network as `virsh net-dumpxml` prints it: the one of Debian's package. */
const network = (options = '', namespace = ''): string => `<network${namespace}>
  <name>default</name>
  <uuid>0e1b0c5e-1c8e-4d59-9c3a-1d5b9f4d3a11</uuid>
  <forward mode='nat'>
    <nat>
      <port start='1024' end='65535'/>
    </nat>
  </forward>
  <bridge name='virbr0' stp='on' delay='0'/>
  <mac address='52:54:00:aa:bb:cc'/>
  <ip address='192.168.122.1' netmask='255.255.255.0'>
    <dhcp>
      <range start='192.168.122.2' end='192.168.122.254'/>
    </dhcp>
  </ip>
${options}</network>
`;
const NAMESPACE = " xmlns:dnsmasq='http://libvirt.org/schemas/network/dnsmasq/1.0'";
const WITH_NO_PING = network(
  "  <dnsmasq:options>\n    <dnsmasq:option value='no-ping'/>\n  </dnsmasq:options>\n",
  NAMESPACE,
);
const defined = (): string => readFileSync(join(state, 'net-defined'), 'utf8');
const running = (): string => readFileSync(join(state, 'net-started'), 'utf8');
/** Returns the lines of a definition without what the script added. */
const kept = (xml: string): string[] =>
  xml
    .replaceAll(OPTION, '')
    .replace('<dnsmasq:options></dnsmasq:options>', '')
    .replace(NAMESPACE, '')
    .split('\n')
    .map((line) => line.trim())
    .filter(Boolean);

/** Runs the script on a machine that is set up except for its network, which is as given. */
function withNetwork(xml: string, isActive: boolean, ...args: string[]): ReturnType<typeof run> {
  for (const name of ['net-started', 'net-autostart']) rmSync(join(state, name), { force: true });
  mark('net-defined', xml);
  if (isActive) mark('net-started', xml);
  return run(...args);
}
const changesOf = ({ changes }: ReturnType<typeof run>): string[] => changes.filter((line) => /^virsh/.test(line));

test('a new network ignores DHCP client ids', () => {
  const { code, said } = run();
  assert.equal(code, 0, said);
  assert.ok(defined().includes(`<dnsmasq:option value='no-ping'/>${OPTION}</dnsmasq:options>`), defined());
});

test('an inactive network is changed in this one thing and started; a second run changes nothing', () => {
  run();
  for (const xml of [network(), WITH_NO_PING]) {
    const { code, said, ...rest } = withNetwork(xml, false);
    assert.equal(code, 0, said);
    assert.deepEqual(changesOf({ code, said, ...rest }), [
      'virsh net-define',
      'virsh net-start default',
      'virsh net-autostart default',
    ]);
    assert.equal(running().split(OPTION).length, 2, running());
    assert.deepEqual(kept(running()), kept(xml));
    const second = run();
    assert.deepEqual([second.code, second.changes], [0, []], second.said);
    assert.match(of(second.lines, 'ok').join(), /network default: ignores DHCP client ids/);
  }
});

test('an active network without guests is restarted; with guests, that is left to the operator', () => {
  run();
  const idle = withNetwork(network(), true);
  assert.equal(idle.code, 0, idle.said);
  assert.deepEqual(changesOf(idle).slice(0, 3), [
    'virsh net-define',
    'virsh net-destroy default',
    'virsh net-start default',
  ]);
  assert.ok(running().includes(OPTION));

  mark('guests', 'recheck-b1-1-vm\n\n');
  const busy = withNetwork(network(), true);
  assert.equal(busy.code, 1);
  assert.match(of(busy.lines, 'BY HAND').join('\n'), BY_HAND);
  assert.deepEqual(changesOf(busy), ['virsh net-define', 'virsh net-autostart default']);
  assert.ok(!running().includes(OPTION));
  const again = run();
  assert.deepEqual([again.code, again.changes], [1, []]);
  assert.match(of(again.lines, 'BY HAND').join('\n'), BY_HAND);
  rmSync(join(state, 'guests'));

  // Guests of another libvirt, and containers: ports of its bridge.
  put('sys/class/net/virbr0/brif/veth1', '');
  const shared = withNetwork(network(), true);
  assert.match(of(shared.lines, 'BY HAND').join('\n'), BY_HAND);
  rmSync(join(root, 'sys/class/net/virbr0/brif/veth1'));
  put('sys/class/net/virbr0/brif/virbr0-nic', '');
  assert.equal(withNetwork(network(), true).code, 0, "libvirt's own port is not a guest");
});

test('a dry run prints this and changes nothing', () => {
  run();
  const { code, lines, changes } = withNetwork(network(), true, '--dry-run');
  assert.deepEqual([code, changes], [0, []]);
  assert.match(of(lines, 'would').join('\n'), /set to ignore DHCP client ids\n.*restarted/);
});

test('an old dnsmasq, or a network without DHCP for IPv4: the network stays as it is', () => {
  run();
  for (const version of ['2.80', '2.9', '2.79rc1', 'UNKNOWN']) {
    mark('dnsmasq', version);
    const { code, said, lines, ...rest } = withNetwork(network(), true);
    assert.equal(code, 0, said);
    assert.match(of(lines, 'note').join('\n'), /dnsmasq is older than 2\.81 and cannot ignore DHCP client ids/);
    assert.deepEqual(changesOf({ code, said, lines, ...rest }), ['virsh net-autostart default']);
  }
  rmSync(join(state, 'net-defined'));
  const made = run();
  assert.equal(made.code, 0, made.said);
  assert.doesNotMatch(defined(), /ignore-clid/);
  for (const version of ['2.81', '2.90', '2.86rc1', '3.0']) {
    mark('dnsmasq', version);
    assert.match(withNetwork(network(), false).said, /set to ignore/, version);
  }
  const v6 = network()
    .replace("<ip address='192.168.122.1' netmask='255.255.255.0'>", "<ip family='ipv6' address='fd00::1' prefix='64'>")
    .replace(/<range.*>/, "<range start='fd00::2' end='fd00::ff'/>");
  for (const xml of [v6, network().replace(/ *<dhcp>[\s\S]*<\/dhcp>\n/, '')]) {
    assert.deepEqual(changesOf(withNetwork(xml, true)), ['virsh net-autostart default']);
  }
});

test('it waits up to five minutes for another apt; any other error ends it at once', () => {
  mark('apt-locked', '3\n2\n1\n');
  const { code, said, changes } = run();
  assert.equal(code, 0, said);
  assert.equal(said.match(/^waiting +for another apt, up to 5 minutes$/gm)?.length, 1, said);
  assert.equal(changes.filter((line) => line === 'apt-get -qq update').length, 4);
  assert.match(changes.find((line) => line.includes(' install '))!, /-o DPkg::Lock::Timeout=300/);

  rmSync(join(state, 'packages'));
  mark('apt-locked', '1\n'.repeat(100));
  const late = run();
  assert.equal(late.code, 1);
  assert.match(late.said, /held by process 42 .*\n.*failed: package lists: updated/);
  const waits = late.changes.filter((line) => line.startsWith('sleep')).map((line) => Number(line.split(' ')[1]));
  assert.equal(
    waits.reduce((sum, one) => sum + one, 0),
    300,
  );

  rmSync(join(state, 'apt-locked'));
  mark('apt-broken');
  const broken = run();
  assert.equal(broken.code, 1);
  assert.deepEqual(broken.changes, ['apt-get -qq update']);
  assert.match(broken.said, /The list of sources could not be read/);
});
