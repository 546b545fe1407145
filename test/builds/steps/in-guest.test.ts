import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Build } from '../../../lib/builds/build.ts';
import { runInGuest } from '../../../lib/builds/steps/in-guest.ts';
import type { StepOutcome } from '../../../lib/builds/types.ts';
import { diskFault, diskFull, guestHalted, guestVanished, libvirtDown } from '../../../lib/errors/libvirt.ts';
import { connectionLost } from '../../../lib/errors/ssh.ts';
import type { Guest } from '../../../lib/guests/guest.ts';
import { reconnect } from '../../../lib/guests/reconnect.ts';
import type { Host } from '../../../lib/ssh/types.ts';
import { greeting } from '../../support/greeting.ts';
import { waitForPromise } from '../../support/wait.ts';

interface Settings {
  /** The worker's check of the guest after a failed script. */
  check?: () => Promise<void>;
  /** Whether the guest reboots, as it is allowed to, when the script ends. */
  reboots?: boolean;
  /** Another guest of the build. */
  peer?: Guest;
}

const buildOf = (...guests: Guest[]): Build =>
  ({
    clock: { pause() {}, resume() {} },
    say() {},
    resources: { guests: new Map(guests.map((guest) => [guest.name, guest])) },
  }) as unknown as Build;

/** Runs a script in a guest. */
async function ended(outcome: StepOutcome, { check, reboots = true, peer }: Settings = {}): Promise<StepOutcome> {
  const connection = (boot: string, gone: AbortSignal): Host =>
    ({
      gone,
      run: async () => greeting(boot),
      close() {},
    }) as unknown as Host;
  const lost = new AbortController();
  const guest = {
    name: 'vm',
    domain: 'd',
    address: { host: '10.0.0.5', port: 22 },
    image: { loginUser: 'ci' },
    worker: {
      hypervisor: { addresses: async () => [{ host: '10.0.0.5', port: 22 }], ...(check ? { check } : {}) },
      login: async () => connection('after', new AbortController().signal),
    },
    host: connection('before', lost.signal),
    bootId: 'before',
    booted: true,
  } as unknown as Guest;
  const build = buildOf(guest, ...(peer ? [peer] : []));
  return runInGuest({
    build,
    guest,
    services: { key: { privateKey: '', publicKey: '' } },
    signal: new AbortController().signal,
    mayReboot: reboots,
    work: async () => {
      if (reboots) lost.abort();
      return outcome;
    },
  });
}

test('a script that may reboot its guest passes, however the reboot ended it', async () => {
  assert.equal((await ended({ result: 'SUCCESS', exitCode: 0 })).result, 'SUCCESS');
  assert.equal((await ended({ result: 'FAILURE', exitCode: 143 })).result, 'SUCCESS');
  assert.equal((await ended({ result: 'FAILURE', signal: 'TERM' })).result, 'SUCCESS');
});

test('a script that failed or timed out keeps its result when its guest reboots afterwards', async () => {
  assert.equal((await ended({ result: 'FAILURE', exitCode: 1 })).result, 'FAILURE');
  assert.equal((await ended({ result: 'TIMED_OUT' })).result, 'TIMED_OUT');
});

test('a failure caused by the worker is not blamed on the patch; a healthy worker changes nothing', async () => {
  const failure: StepOutcome = { result: 'FAILURE', exitCode: 1 };
  const check = async () => {
    throw diskFault('worker a', 'd', 'Input/output error');
  };
  for (const outcome of [failure, { result: 'TIMED_OUT' } as const]) {
    const fault = { code: 'libvirt/guest-io', result: 'NODE_FAILURE' };
    await assert.rejects(ended(outcome, { check, reboots: false }), fault);
  }
  assert.equal((await ended({ result: 'SUCCESS', exitCode: 0 }, { check, reboots: false })).result, 'SUCCESS');
  assert.equal((await ended(failure, { check: async () => {}, reboots: false })).result, 'FAILURE');
});

test('the result stays FAILURE if the worker cannot be checked', async () => {
  const check = async () => {
    throw libvirtDown('worker a', 'qemu:///system', 'no');
  };
  assert.equal((await ended({ result: 'FAILURE', exitCode: 1 }, { check, reboots: false })).result, 'FAILURE');
});

/** Makes another guest of the build, with a fake hypervisor. */
const peerWith = (hypervisor: object): Guest =>
  ({ name: 'peer', domain: 'p', booted: true, worker: { hypervisor } }) as unknown as Guest;

test('another guest whose disk is full explains a failure; one that powered off does not', async () => {
  const failure: StepOutcome = { result: 'FAILURE', exitCode: 1 };
  const checks = (fault: Error) => ({
    async check() {
      throw fault;
    },
  });
  const full = peerWith(checks(diskFull('worker a', 'p', 'No space left on device')));
  await assert.rejects(ended(failure, { peer: full, reboots: false }), { result: 'DISK_FULL' });
  const off = peerWith(checks(guestVanished('worker a', 'p')));
  assert.equal((await ended(failure, { peer: off, reboots: false })).result, 'FAILURE');
});

test('a reboot fails both steps that run in the guest', async () => {
  const connection = (boot: string, gone: AbortSignal): Host =>
    ({ gone, run: async () => greeting(boot), close() {} }) as unknown as Host;
  const lost = new AbortController();
  const guest = {
    name: 'vm',
    domain: 'd',
    booted: true,
    address: { host: '10.0.0.5', port: 22 },
    image: { loginUser: 'ci' },
    worker: {
      hypervisor: { addresses: async () => [{ host: '10.0.0.5', port: 22 }] },
      login: async () => connection('after', new AbortController().signal),
    },
    host: connection('before', lost.signal),
    bootId: 'before',
  } as unknown as Guest;
  const build = buildOf(guest);
  const services = { key: { privateKey: '', publicKey: '' } };
  const step = (wait: number) =>
    runInGuest({
      ...{ build, guest, services, signal: new AbortController().signal, mayReboot: false },
      async work() {
        await new Promise((resolve) => setTimeout(resolve, wait));
        lost.abort();
        throw connectionLost({ label: 'guest', user: 'ci', host: '10.0.0.5', port: 22 });
      },
    });
  const results = await Promise.all([step(1), step(60)]);
  assert.deepEqual(
    results.map(({ result }) => result),
    ['FAILURE', 'FAILURE'],
  );
});

test('a paused guest ends the step at once and its connection is closed', async () => {
  const fault = guestHalted('worker a', 'd', 'paused (user)', '');
  let closed = false;
  const guest = {
    name: 'vm',
    domain: 'd',
    booted: true,
    worker: {
      hypervisor: {
        watch(_domain: string, tell: (fault: Error) => void) {
          setImmediate(() => tell(fault));
          return () => {};
        },
      },
    },
    host: {
      gone: new AbortController().signal,
      close() {
        closed = true;
      },
    },
  } as unknown as Guest;
  const running = runInGuest({
    build: buildOf(guest),
    guest,
    services: { key: { privateKey: '', publicKey: '' } },
    signal: AbortSignal.timeout(5_000),
    mayReboot: false,
    // A script that never ends.
    work: () => new Promise(() => {}),
  });
  await assert.rejects(waitForPromise('the step ends', running, 2_000), { code: 'libvirt/guest-halted' });
  assert.ok(closed);
  // Reconnecting fails at once.
  const key = { privateKey: '', publicKey: '' };
  const again = reconnect(guest, { key }, { signal: AbortSignal.timeout(5_000), limit: 5_000 });
  await assert.rejects(waitForPromise('the answer', again, 2_000), { code: 'libvirt/guest-halted' });
});
