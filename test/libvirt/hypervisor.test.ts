import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LibvirtHypervisor } from '../../lib/libvirt/hypervisor.ts';
import { scriptedHost } from './scripted-host.ts';

const within = () => ({ signal: AbortSignal.timeout(20_000) });

/** A hypervisor whose worker says of each guest that it is in this state. */
const saying = (state: string): LibvirtHypervisor =>
  new LibvirtHypervisor({
    label: 'worker host-a',
    type: 'qemu',
    source: async () => scriptedHost((argv) => ({ stdout: argv.includes('domstate') ? `${state}\n` : '' })),
  });

test('a guest that qemu stopped on a full disk is waited for by nobody: the disk is full', async () => {
  const stopped = saying('paused (I/O error)');
  const full = { code: 'libvirt/guest-stopped', result: 'DISK_FULL', message: /the worker's disk is full/ };
  await assert.rejects(stopped.mustRun('d', within()), full);
  await assert.rejects(stopped.shutdown('d', within()), full);
  await assert.rejects(stopped.check('d', within()), full);
});

test('a guest that was paused by hand, or runs, is no fault; one that is gone is', async () => {
  for (const state of ['running (booted)', 'paused (user)']) {
    await saying(state).mustRun('d', within());
    await saying(state).check('d', within());
  }
  const gone = saying('shut off (destroyed)');
  await assert.rejects(gone.mustRun('d', within()), { code: 'worker/guest-died' });
  await assert.rejects(gone.check('d', within()), { code: 'libvirt/guest-gone' });
});
