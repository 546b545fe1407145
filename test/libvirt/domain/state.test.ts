import assert from 'node:assert/strict';
import { test } from 'node:test';
import { conditionOf, kvmFaultIn, parseDomainList } from '../../../lib/libvirt/domain/state.ts';

test('each state that virsh prints maps to one of four conditions', () => {
  const states = {
    running: [
      'running (booted)',
      'running (unpaused)',
      'idle (unknown)',
      'in shutdown (user)',
      'no state (unknown)',
      '',
    ],
    passing: ['paused (starting up)', 'paused (creating snapshot)', 'paused (saving)', 'paused (dumping)'],
    gone: ['shut off (destroyed)', 'shut off (crashed)'],
    halted: [
      'paused (unknown)',
      'paused (user)',
      'paused (I/O error)',
      'paused (watchdog)',
      'paused (crashed)',
      'pmsuspended (unknown)',
      'crashed (panicked)',
    ],
  };
  for (const [is, all] of Object.entries(states)) for (const state of all) assert.equal(conditionOf(state), is, state);
});

test('the list of domains is parsed by name, whatever the names of other domains', () => {
  const text = `
 1    recheck-7f3a-1-vm      running
 12   my own machine         paused
 -    old                    shut off
 3    ending                 in shutdown
`;
  assert.deepEqual(Object.fromEntries(parseDomainList(text)), {
    'recheck-7f3a-1-vm': 'running',
    'my own machine': 'paused',
    old: 'shut off',
    ending: 'in shutdown',
  });
});

test('a KVM fault is found in QEMU’s log, and nothing else counts as one', () => {
  const log = `2026-11-20 10:00:00.000+0000: starting up libvirt version: 9.0.0
/usr/bin/qemu-system-x86_64 \\
-accel kvm
char device redirected to /dev/pts/1
KVM internal error. Suberror: 1
extra data[0]: 0x0000000000000000
`;
  assert.equal(kvmFaultIn(log), 'KVM internal error. Suberror: 1');
  assert.equal(kvmFaultIn('error: kvm run failed Bad address\n'), 'error: kvm run failed Bad address');
  assert.equal(kvmFaultIn('KVM: entry failed, hardware error 0x0'), 'KVM: entry failed, hardware error 0x0');
  assert.equal(kvmFaultIn('qemu-system-x86_64: terminating on signal 15\n-machine accel=kvm\n'), undefined);
});
