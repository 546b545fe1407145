import assert from 'node:assert/strict';
import { mock, test } from 'node:test';
import { LibvirtHypervisor } from '../../lib/libvirt/hypervisor.ts';
import { answerInMemory } from '../../lib/libvirt/type-answers.ts';
import type { GuestSpec } from '../../lib/worker/types.ts';
import { scriptedHost } from './scripted-host.ts';

const within = () => ({ signal: AbortSignal.timeout(20_000) });

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

test('a start that is refused for want of KVM makes the next one find out again; another refusal does not', async () => {
  const refusals = [
    ['error: internal error: Could not access KVM kernel module: Permission denied', 'libvirt/no-kvm'],
    ['error: Domain requires KVM, but it is not available.', 'libvirt/no-kvm'],
    ['error: invalid argument: could not find capabilities for domaintype=kvm ', 'libvirt/no-kvm'],
    ["error: Emulator '/usr/bin/qemu-system-x86_64' does not support virt type 'kvm'", 'libvirt/no-kvm'],
    ["error: Cannot access storage file '/srv/kvm/vda.qcow2': Permission denied", 'libvirt/not-started'],
  ] as const;
  for (const [refusal, code] of refusals) {
    const answers = answerInMemory();
    answers.set({ type: 'kvm', why: 'a guest showed life' });
    const { ran, source } = networked(refusal);
    const hypervisor = new LibvirtHypervisor({ label: 'worker host-a', type: 'auto', answers, source });
    await assert.rejects(hypervisor.boot(guestSpec('d'), within()), { code, result: 'NODE_FAILURE' });
    assert.ok(!ran.some((text) => text.includes('domcapabilities')), 'it was known');
    const next = await hypervisor.type(within());
    assert.equal(next.type, code === 'libvirt/no-kvm' ? 'qemu' : 'kvm', refusal);
  }
});

test('guests that start at once share one trial of KVM; emulation is tried again a day later', async () => {
  mock.timers.enable({ apis: ['Date'], now: Date.UTC(2026, 10, 1) });
  try {
    const { ran, source } = networked();
    const hypervisor = new LibvirtHypervisor({ label: 'worker host-a', type: 'auto', source });
    const trials = () => ran.filter((text) => text.includes('domcapabilities')).length;
    await Promise.all([hypervisor.type(within()), hypervisor.type(within())]);
    assert.equal((await hypervisor.type(within())).type, 'qemu');
    assert.equal(trials(), 1);
    mock.timers.tick(86_400_000);
    await hypervisor.type(within());
    assert.equal(trials(), 2);
  } finally {
    mock.timers.reset();
  }
});
