import assert from 'node:assert/strict';
import { test } from 'node:test';
import { LibvirtHypervisor } from '../../lib/libvirt/hypervisor.ts';
import type { GuestSpec } from '../../lib/worker/types.ts';
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

/** A worker with a network; `ran` has all that was run there. */
function networked(refusal = '') {
  const ran: string[] = [];
  const host = scriptedHost((argv) => {
    const text = argv.join(' ');
    ran.push(text);
    if (text.includes('net-list')) return { stdout: 'network default yes virbr0\nbridge virbr0\n' };
    if (refusal !== '' && text.includes('create --file')) return { code: 1, stderr: refusal };
    return {};
  });
  return { ran, source: async () => host };
}

const guestSpec = (domain: string, mac = ''): GuestSpec => ({
  name: 'vm',
  domain,
  owner: { controller: 'c1c1c1c1c1c1', build: domain, attempt: 1 },
  clone: {
    name: domain,
    path: `/ci/${domain}`,
    disks: [{ name: 'vda', path: `/ci/${domain}/vda.qcow2`, format: 'qcow2' }],
  },
  memory: 64,
  vcpus: 1,
  networks: [{ source: 'default', mac }],
});

test('a MAC that is set is one guest’s: another is not started with it, and its end leaves the first alone', async () => {
  const { ran, source } = networked();
  const hypervisor = new LibvirtHypervisor({ label: 'worker host-a', type: 'qemu', source });
  const spec = (domain: string, mac = '52:54:00:AA:00:07') => guestSpec(domain, mac);
  await hypervisor.boot(spec('first'), within());
  const taken = {
    code: 'libvirt/mac-taken',
    result: 'ERROR',
    message: /second.* 52:54:00:aa:00:07.* first .*one slot/,
  };
  const before = ran.length;
  await assert.rejects(hypervisor.boot(spec('second'), within()), taken);
  assert.equal(ran.length, before, 'nothing is begun');
  await hypervisor.stop('second', within());
  const after = ran.slice(before).join('\n');
  assert.doesNotMatch(after, /dhcp_release|first/);
  await assert.rejects(hypervisor.boot(spec('third'), within()), { code: taken.code });
  await hypervisor.boot(spec('fourth', '52:54:00:aa:00:08'), within());
  await hypervisor.stop('first', within());
  await hypervisor.boot(spec('second'), within());
});
