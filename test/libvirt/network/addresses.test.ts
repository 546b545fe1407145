import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Addresses } from '../../../lib/libvirt/network/addresses.ts';
import { Networks } from '../../../lib/libvirt/network/networks.ts';
import { Virsh } from '../../../lib/libvirt/virsh.ts';
import { scriptedHost } from '../scripted-host.ts';

const signal = AbortSignal.timeout(20_000);
const GUEST = '52:54:00:00:00:01';
const OTHER = '52:54:00:00:00:02';
const THIEF = '52:54:00:00:00:03';

/** A worker with scripted ARP table, ports, leases and interfaces; `asked` counts the calls of virsh. */
function worker() {
  const state = {
    arp: [
      { address: '192.168.122.10', mac: GUEST, device: 'virbr0' },
      { address: '192.168.122.11', mac: OTHER, device: 'virbr0' },
    ],
    ports: [{ mac: GUEST, port: 'rk525400000001', bridge: 'virbr0' }],
    leases: '',
    interfaces: '',
    asked: { leases: 0, interfaces: 0 },
  };
  const virsh = new Virsh('worker host-a', 'qemu:///system', async () =>
    scriptedHost((argv) => {
      const what = argv.includes('net-dhcp-leases') ? 'leases' : 'interfaces';
      state.asked[what] += 1;
      return { stdout: state[what] };
    }),
  );
  const addresses = new Addresses(virsh, new Networks(virsh), { look: async () => state });
  return { state, addresses };
}

test('a guest is identified by its bridge port, not by the MAC that its frames claim', async () => {
  const { state, addresses } = worker();
  addresses.note('victim', [GUEST]);
  addresses.note('other', [OTHER]);
  addresses.note('thief', [THIEF]);
  assert.equal(await addresses.domainAt('192.168.122.10', signal), 'victim');
  assert.equal(await addresses.domainAt('192.168.122.11', signal), 'other');
  assert.equal(await addresses.domainAt('192.168.122.12', signal), undefined);
  const claimed = { mac: GUEST, port: 'rk525400000003' };
  state.ports = [{ ...claimed, bridge: 'virbr0' }];
  assert.equal(await addresses.domainAt('192.168.122.10', signal), 'thief');
  // What a guest claims on its build's private bridge does not count on the network.
  state.ports = [
    { ...claimed, bridge: 'ci0' },
    { mac: GUEST, port: 'rk525400000001', bridge: 'virbr0' },
  ];
  assert.equal(await addresses.domainAt('192.168.122.10', signal), 'victim');
});

test('a MAC belongs to one guest until that guest is forgotten', async () => {
  const { addresses } = worker();
  addresses.note('first', [GUEST]);
  const taken = { code: 'libvirt/mac-taken', result: 'ERROR', message: /second .*52:54:00:00:00:01.* first .*empty/ };
  assert.throws(() => addresses.note('second', [OTHER, GUEST]), taken);
  addresses.forget('second');
  assert.equal(await addresses.domainAt('192.168.122.10', signal), 'first');
  assert.equal(await addresses.domainAt('192.168.122.11', signal), undefined);
  addresses.note('first', [GUEST]);
  addresses.forget('first');
  addresses.note('second', [OTHER, GUEST]);
  assert.equal(await addresses.domainAt('192.168.122.10', signal), 'second');
});

test('requests from unknown addresses ask libvirt at most once a second', async () => {
  const { state, addresses } = worker();
  state.interfaces = `found\t x network default virtio ${OTHER}\n`;
  for (let i = 0; i < 5; i++) assert.equal(await addresses.domainAt('192.168.122.10', signal), undefined);
  assert.equal(await addresses.domainAt('192.168.122.11', signal), 'found');
  assert.equal(state.asked.interfaces, 1);
});

test('addresses come from leases, which are read if the ARP table has the guest, or in a thorough lookup', async () => {
  const { state, addresses } = worker();
  const of = (mac: string, network: string | undefined, thorough: boolean) =>
    addresses.of(mac, network, thorough, signal);
  assert.deepEqual(await of(THIEF, 'default', false), []);
  assert.equal(state.asked.leases, 0);
  // An older guest with that MAC may be in the table with another address.
  state.leases = ` 2026-11-22 10:00:00   ${GUEST}   ipv4   192.168.122.99/24   vm   -`;
  assert.deepEqual(await of(GUEST, 'default', false), ['192.168.122.99', '192.168.122.10']);
  state.leases = ` 2026-11-22 10:00:00   ${THIEF}   ipv4   192.168.122.98/24   vm   -`;
  assert.deepEqual(await of(THIEF, 'default', true), ['192.168.122.98']);
  assert.deepEqual(await of(GUEST, 'default', false), [], 'a lease may be on its way');
  assert.deepEqual(await of(GUEST, 'default', true), ['192.168.122.10'], 'it set its address itself');
  assert.deepEqual(await of(GUEST, undefined, false), ['192.168.122.10'], 'a foreign bridge has no leases');
});
