import assert from 'node:assert/strict';
import { test } from 'node:test';
import { parseArp, parseForwarding, parseInterfaces, parseLeases } from '../../../lib/libvirt/network/tables.ts';

test('leases are parsed from virsh’s output: IPv4 only, the newest first', () => {
  const text = ` 2026-11-22 18:10:11   52:54:00:AA:00:07   ipv4       192.168.122.147/24   tiny       01:52:54:00:aa:00:07
 2026-11-22 19:10:11   52:54:00:aa:00:07   ipv4       192.168.122.148/24   -          -
 2026-11-22 19:30:11   52:54:00:aa:00:07   ipv6       fd00::1/64           -          -
`;
  assert.deepEqual(parseLeases(text), [
    { expiry: '2026-11-22 19:10:11', mac: '52:54:00:aa:00:07', address: '192.168.122.148' },
    { expiry: '2026-11-22 18:10:11', mac: '52:54:00:aa:00:07', address: '192.168.122.147' },
  ]);
  assert.deepEqual(parseLeases('\n'), []);
});

test('the ARP table is parsed without unanswered entries', () => {
  const text = `IP address       HW type     Flags       HW address            Mask     Device
192.168.122.147  0x1         0x2         52:54:00:AA:00:07     *        virbr0
192.168.122.9    0x1         0x0         00:00:00:00:00:00     *        virbr0
`;
  assert.deepEqual(parseArp(text), [{ address: '192.168.122.147', mac: '52:54:00:aa:00:07', device: 'virbr0' }]);
});

test('the forwarding table is parsed without the bridges’ own entries', () => {
  const text = `33:33:00:00:00:01 dev virbr0 self permanent
52:54:00:cf:03:0a dev virbr0 master virbr0 permanent
52:54:00:aa:00:07 dev rk525400aa0007 master virbr0
fe:54:00:aa:00:07 dev rk525400aa0007 master virbr0 permanent
`;
  assert.deepEqual(parseForwarding(text), [{ mac: '52:54:00:aa:00:07', port: 'rk525400aa0007', bridge: 'virbr0' }]);
});

test('interfaces of several domains are parsed, whatever their names', () => {
  const text = `ours\t rk525400aa0007   network   default   virtio   52:54:00:AA:00:07
a b\t vnet0   bridge   br0   virtio   52:54:00:00:00:01
ours\t
`;
  assert.deepEqual(parseInterfaces(text), [
    { domain: 'ours', source: 'default', mac: '52:54:00:aa:00:07' },
    { domain: 'a b', source: 'br0', mac: '52:54:00:00:00:01' },
  ]);
});
