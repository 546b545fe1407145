import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Addresses } from '../../../lib/libvirt/network/addresses.ts';
import { GuestAddresses } from '../../../lib/libvirt/network/guest-addresses.ts';
import { Networks } from '../../../lib/libvirt/network/networks.ts';
import { Virsh } from '../../../lib/libvirt/virsh.ts';
import { scriptedHost } from '../scripted-host.ts';

const signal = AbortSignal.timeout(60_000);
const MACS = { a: '52:54:00:00:00:01', b: '52:54:00:00:00:02' };
type Name = keyof typeof MACS;

/** A worker with scripted leases (MAC, address, time) and ARP table. */
function worker() {
  const state = {
    leases: [] as [Name, string, string][],
    arp: [] as [Name, string][],
    gone: new Set<string>(),
    told: [] as string[],
  };
  const source = async () =>
    scriptedHost((argv) => {
      const mac = argv[argv.indexOf('--mac') + 1];
      const rows = state.leases.filter(([name]) => MACS[name] === mac);
      return { stdout: rows.map(([, ip, at]) => ` 2026-11-25 ${at}   ${mac}   ipv4   ${ip}/24   vm   -`).join('\n') };
    });
  const virsh = new Virsh('worker host-a', 'qemu:///system', source);
  const look = async () => ({
    arp: state.arp.map(([name, address]) => ({ address, mac: MACS[name], device: 'virbr0' })),
    ports: [],
  });
  const addresses = new Addresses(virsh, new Networks(virsh), { look });
  const guests = new GuestAddresses({
    label: 'worker host-a',
    addresses,
    health: {
      mustBoot: async () => {},
      condition: async (domain) => ({ is: state.gone.has(domain) ? 'gone' : 'running', state: '' }),
    },
    onAddress: (address) => state.told.push(address),
  });
  for (const name of ['a', 'b'] as const) addresses.note(name, [MACS[name]]);
  const wait = (name: Name) =>
    guests.wait(name, () => [{ mac: MACS[name], private: false, network: 'default' }], signal);
  return { state, guests, addresses, wait };
}

test('of two addresses of a guest the newest comes first', async () => {
  const { state, guests, wait } = worker();
  state.arp = [['a', '192.168.122.98']];
  state.leases = [['a', '192.168.122.98', '10:58:00']];
  assert.deepEqual(await wait('a'), ['192.168.122.98']);
  state.arp.push(['a', '192.168.122.99']);
  state.leases.push(['a', '192.168.122.99', '10:58:14']);
  assert.deepEqual(await wait('a'), ['192.168.122.99', '192.168.122.98']);
  assert.deepEqual(state.told, ['192.168.122.98', '192.168.122.99'], 'each address is told once');
  assert.equal(guests.lastAt('192.168.122.99'), 'a');
  assert.equal(guests.lastAt('192.168.122.98'), 'a');
  // It released the first address, and another guest gets it.
  state.leases = [
    ['a', '192.168.122.99', '10:58:14'],
    ['b', '192.168.122.98', '10:59:00'],
  ];
  state.arp = [
    ['a', '192.168.122.99'],
    ['b', '192.168.122.98'],
  ];
  assert.deepEqual(await wait('b'), ['192.168.122.98']);
  assert.equal(guests.lastAt('192.168.122.98'), 'b');
});

test('two guests that keep one address fail with that reason, not with "no route"', async (t) => {
  const { state, wait } = worker();
  t.mock.method(performance, 'now', () => clock);
  let clock = 1_000;
  // dnsmasq moves the lease to the last requester; both use the address.
  state.leases = [
    ['a', '192.168.122.97', '10:58:00'],
    ['a', '192.168.122.99', '10:58:14'],
  ];
  state.arp = [['a', '192.168.122.99']];
  await wait('a');
  state.leases = [
    ['a', '192.168.122.97', '10:58:00'],
    ['b', '192.168.122.99', '10:58:15'],
  ];
  state.arp = [
    ['b', '192.168.122.99'],
    ['a', '192.168.122.97'],
  ];
  await wait('b');
  await wait('a');
  clock += 4_000;
  // One may be about to get another.
  await wait('a');
  clock += 2_000;
  const shared = {
    code: 'libvirt/address-shared',
    result: 'NODE_FAILURE',
    message: /guests a and b have the same address, 192\.168\.122\.99\. .*is \/etc\/machine-id empty in the image\?/,
  };
  await assert.rejects(wait('a'), shared);
  await assert.rejects(wait('b'), { ...shared, message: /guests b and a have the same address/ });
  // A guest that has powered off no longer has it.
  state.gone.add('b');
  await wait('a');
});

test('a guest that has moved to another address shares the first with nobody', async (t) => {
  const { state, wait } = worker();
  t.mock.method(performance, 'now', () => clock);
  let clock = 1_000;
  state.arp = [
    ['a', '192.168.122.98'],
    ['b', '192.168.122.98'],
  ];
  state.leases = [['a', '192.168.122.98', '10:58:00']];
  await wait('a');
  state.leases.push(['a', '192.168.122.99', '10:58:14']);
  await wait('a');
  clock += 60_000;
  await wait('a');
  state.leases.push(['b', '192.168.122.98', '10:59:00']);
  await wait('b');
});

test('a guest that answers for another guest’s address does not count as having it', async (t) => {
  const { state, wait } = worker();
  let clock = 1_000;
  t.mock.method(performance, 'now', () => clock);
  state.leases = [
    ['a', '192.168.122.98', '10:58:00'],
    ['b', '192.168.122.99', '10:58:10'],
  ];
  state.arp = [
    ['b', '192.168.122.99'],
    ['a', '192.168.122.98'],
    ['a', '192.168.122.99'],
  ];
  await wait('a');
  for (let look = 0; look < 3; look++) {
    assert.deepEqual(await wait('b'), ['192.168.122.99']);
    clock += 10_000;
  }
});
