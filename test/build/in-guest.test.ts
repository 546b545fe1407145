import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Build } from '../../lib/build/build.ts';
import type { Guest } from '../../lib/build/lease.ts';
import { inGuest } from '../../lib/build/steps/in-guest.ts';
import type { StepOutcome } from '../../lib/build/types.ts';
import type { Host } from '../../lib/ssh/types.ts';

/** Runs a script that may reboot its guest, which goes away as soon as the script has ended so. */
async function ended(outcome: StepOutcome): Promise<StepOutcome> {
  const connection = (boot: string, gone: AbortSignal): Host =>
    ({ gone, run: async () => ({ code: 0, stdout: boot, stderr: '' }), close() {} }) as unknown as Host;
  const lost = new AbortController();
  const guest = {
    name: 'vm',
    domain: 'd',
    address: { host: '10.0.0.5', port: 22 },
    image: { loginUser: 'ci' },
    worker: { hypervisor: {}, login: async () => connection('after', new AbortController().signal) },
    host: connection('before', lost.signal),
    bootId: Promise.resolve('before'),
  } as unknown as Guest;
  const build = { clock: { pause() {}, resume() {} }, say() {} } as unknown as Build;
  return inGuest({
    build,
    guest,
    services: { key: { privateKey: '', publicKey: '' } },
    signal: new AbortController().signal,
    mayReboot: true,
    work: async () => {
      lost.abort();
      return outcome;
    },
  });
}

test('a script that reboots its guest as it may passes, however the reboot ended it', async () => {
  assert.equal((await ended({ result: 'SUCCESS', exitCode: 0 })).result, 'SUCCESS');
  assert.equal((await ended({ result: 'FAILURE', exitCode: 143 })).result, 'SUCCESS');
  assert.equal((await ended({ result: 'FAILURE', signal: 'TERM' })).result, 'SUCCESS');
});

test('one that failed by itself, or was too slow, stays so when its guest reboots behind it', async () => {
  assert.equal((await ended({ result: 'FAILURE', exitCode: 1 })).result, 'FAILURE');
  assert.equal((await ended({ result: 'TIMED_OUT' })).result, 'TIMED_OUT');
});
