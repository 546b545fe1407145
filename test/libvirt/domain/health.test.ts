import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import type { CiError } from '../../../lib/errors/ci-error.ts';
import { Health } from '../../../lib/libvirt/domain/health.ts';
import type { DomainType } from '../../../lib/libvirt/types.ts';
import { Virsh } from '../../../lib/libvirt/virsh.ts';
import { scriptedHost } from '../scripted-host.ts';

const within = () => AbortSignal.timeout(20_000);

/** A worker with one scripted guest, `d`; `asked` collects the calls of virsh. */
function worker(type: DomainType = 'qemu', isTypeSet = false) {
  const state = { is: 'running (booted)', log: '', disks: '', write: '', asked: [] as string[], kvm: [] as string[] };
  const source = async () =>
    scriptedHost((argv) => {
      const text = argv.join(' ');
      if (text.includes('domstate')) {
        state.asked.push('state');
        if (state.is === '') return { code: 1, stderr: "error: failed to get domain 'd'" };
        return { stdout: `${state.is}\n` };
      }
      if (text.includes('domblkerror')) {
        state.asked.push('examine');
        return { stdout: `${state.log}\n--\n${state.disks}\n--\n${state.write}` };
      }
      state.asked.push('list');
      const short = state.is.replace(/ \(.*/, '');
      return { stdout: ` 1    other   running\n${state.is === '' ? '' : ` 2    d       ${short}\n`}` };
    });
  const health = new Health({
    virsh: new Virsh('worker host-a', 'qemu:///system', source),
    guest: () => ({ folder: '/ci/d', type, isTypeSet }),
    console: async () => 'its last words\n',
    onKvmFault: (why) => state.kvm.push(why),
  });
  return { state, health };
}

const DD = "dd: error writing '/ci/d/.probe': ";

test('a halted guest is a fault, with its reason and the end of QEMU’s log', async () => {
  for (const is of [
    'paused (unknown)',
    'paused (user)',
    'paused (watchdog)',
    'pmsuspended (unknown)',
    'crashed (panicked)',
  ]) {
    const { state, health } = worker();
    Object.assign(state, { is, log: '/usr/bin/qemu-system-x86_64 \\\n-name d\nqemu: something broke\n' });
    const fault = { code: 'libvirt/guest-halted', result: 'NODE_FAILURE' };
    const says = (error: CiError) => {
      assert.deepEqual({ code: error.code, result: error.result }, fault, is);
      assert.ok(error.message.includes(`libvirt reports "${is}"`), error.message);
      assert.match(error.message, /QEMU's log ends with: "qemu: something broke"/);
      return true;
    };
    await assert.rejects(health.mustBoot('d', within()), says);
    await assert.rejects(health.mustBeSound('d', within()), says);
    await assert.rejects(health.isThere('d', within()), says);
  }
});

test('a guest that runs, powers off, or is paused briefly is no fault; a missing one is', async () => {
  for (const is of ['running (booted)', 'in shutdown (user)', 'paused (creating snapshot)', 'paused (starting up)']) {
    const { state, health } = worker();
    state.is = is;
    await health.mustBoot('d', within());
    await health.mustBeSound('d', within());
  }
  const { state, health } = worker();
  state.is = '';
  state.log = '2026-01-01 10:00:00.000+0000: shutting down, reason=crashed\n';
  const died = /^Guest d powered off or was destroyed \(QEMU's log ends with: ".*reason=crashed"\).*its last words/;
  await assert.rejects(health.mustBoot('d', within()), { code: 'worker/guest-died', message: died });
  const gone = /d was running and is gone: .*QEMU's log ends with: ".*reason=crashed"\. See its console/;
  await assert.rejects(health.mustBeSound('d', within()), { code: 'libvirt/guest-gone', message: gone });
  assert.equal(await health.isThere('d', within()), false);
});

test('a full disk or quota of the worker is DISK_FULL, a broken disk NODE_FAILURE', async () => {
  const cases: [write: string, disks: string, code: string, result: string, says: RegExp][] = [
    [
      `${DD}No space left on device`,
      '',
      'libvirt/guest-stopped',
      'DISK_FULL',
      /disk is full \(No space left on device\)/,
    ],
    [`${DD}Disk quota exceeded`, 'vda: unspecified error', 'libvirt/guest-stopped', 'DISK_FULL', /Disk quota exceeded/],
    ['', 'vda: no space', 'libvirt/guest-stopped', 'DISK_FULL', /vda: no space/],
    [`${DD}Input/output error`, '', 'libvirt/guest-io', 'NODE_FAILURE', /failed on the worker \(Input\/output error\)/],
    ["dd: fsync failed for '/ci/d/.probe': Input/output error", '', 'libvirt/guest-io', 'NODE_FAILURE', /Input/],
    ["dd: failed to open '/ci/d/.probe': Read-only file system", '', 'libvirt/guest-io', 'NODE_FAILURE', /Read-only/],
    ['', 'vda: unspecified error', 'libvirt/guest-io', 'NODE_FAILURE', /vda: unspecified error/],
  ];
  for (const [write, disks, code, result, message] of cases) {
    const { state, health } = worker();
    Object.assign(state, { is: 'paused (I/O error)', write: `${write}\n1+0 records in\n0+0 records out\n`, disks });
    await assert.rejects(health.mustBoot('d', within()), { code, result, message });
    // Also if QEMU has not met it yet: a script may have failed because of it.
    state.is = 'running (booted)';
    await assert.rejects(health.mustBeSound('d', within()), { code, result, message });
  }
});

test('a guest that KVM gave up fails with that reason, which is recorded; an emulated one has no such fault', async () => {
  const kvm = worker('kvm');
  Object.assign(kvm.state, { is: 'paused (unknown)', log: 'KVM internal error. Suberror: 1\n' });
  const message = /KVM failed while it ran guest d \(KVM internal error\. Suberror: 1\)/;
  await assert.rejects(kvm.health.mustBoot('d', within()), {
    code: 'libvirt/guest-kvm',
    result: 'NODE_FAILURE',
    message,
  });
  assert.equal(kvm.state.kvm.length, 1);
  // QEMU may have exited because of it.
  kvm.state.is = '';
  for (const asked of [kvm.health.mustBoot('d', within()), kvm.health.mustBeSound('d', within())])
    await assert.rejects(asked, { code: 'libvirt/guest-kvm', message });
  assert.equal(kvm.state.kvm.length, 3);
  // An earlier guest of the same name, as image builds have.
  const next = '2026-01-01 10:00:00.000+0000: starting up libvirt version: 9.0.0\nqemu: something else\n';
  Object.assign(kvm.state, { is: 'paused (unknown)', log: `${kvm.state.log}${next}` });
  await assert.rejects(kvm.health.mustBoot('d', within()), { code: 'libvirt/guest-halted', message: /something else/ });
  // The next guest would have the same type.
  const set = worker('kvm', true);
  Object.assign(set.state, { is: 'paused (unknown)', log: 'KVM internal error. Suberror: 1\n' });
  await assert.rejects(set.health.mustBoot('d', within()), { code: 'libvirt/guest-kvm-set', message });
  assert.deepEqual(set.state.kvm, []);
  const emulated = worker('qemu');
  Object.assign(emulated.state, { is: 'paused (unknown)', log: 'KVM internal error. Suberror: 1\n' });
  await assert.rejects(emulated.health.mustBoot('d', within()), { code: 'libvirt/guest-halted' });
  assert.deepEqual(emulated.state.kvm, []);
});

test('the worker is asked about a booting guest at most every two seconds', async () => {
  const { state, health } = worker();
  for (let i = 0; i < 5; i++) await health.mustBoot('d', within());
  assert.deepEqual(state.asked, ['state']);
  health.forget('d');
  health.noteRunning('d');
  await health.mustBoot('d', within());
  assert.deepEqual(state.asked, ['state']);
});

test('watched guests share one list; a fault is reported once it is certain, and without a watch nothing is asked', async () => {
  mock.timers.enable({ apis: ['setTimeout', 'Date'] });
  try {
    const { state, health } = worker();
    const told: string[] = [];
    const pass = async (milliseconds: number) => {
      for (let at = 0; at < milliseconds; at += 1_000) {
        mock.timers.tick(1_000);
        for (let turn = 0; turn < 20; turn++) await new Promise(setImmediate);
      }
    };
    // Before its domain exists.
    state.is = '';
    const early = health.watch('d', ({ code }) => told.push(code));
    await pass(10_000);
    assert.equal(told.length, 0, 'what was not started is not gone');
    state.is = 'running (booted)';
    health.noteRunning('d');
    await pass(4_000);
    early();
    state.asked.length = 0;
    const watchTwice = () => [1, 2].map(() => health.watch('d', ({ code }) => told.push(code)));
    watchTwice();
    await pass(9_000);
    assert.ok(state.asked.length >= 2 && state.asked.every((what) => what === 'list'), state.asked.join());
    state.is = 'paused (creating snapshot)';
    await pass(30_000);
    assert.deepEqual(told, []);
    // A snapshot that never ends.
    await pass(60_000);
    assert.deepEqual(told, ['libvirt/guest-halted', 'libvirt/guest-halted']);
    told.length = 0;
    state.is = 'running (booted)';
    const stops = watchTwice();
    await pass(6_000);
    state.is = 'paused (I/O error)';
    state.disks = 'vda: no space';
    await pass(4_000);
    assert.deepEqual(told, ['libvirt/guest-stopped', 'libvirt/guest-stopped']);
    for (const stop of stops) stop();
    state.asked.length = 0;
    await pass(20_000);
    assert.deepEqual(state.asked, []);
  } finally {
    mock.timers.reset();
  }
});
