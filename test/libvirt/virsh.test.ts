import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Networks } from '../../lib/libvirt/network/networks.ts';
import { Virsh } from '../../lib/libvirt/virsh.ts';
import { scriptedHost } from './scripted-host.ts';

const signal = AbortSignal.timeout(20_000);
const what = 'the list of guests';
const virshOf = (answer: Parameters<typeof scriptedHost>[0]): Virsh =>
  new Virsh('worker host-a', 'qemu:///system', async () => scriptedHost(answer));

test('a command returns its output; a failed one reports what failed, on which worker, and why', async () => {
  const seen: (readonly string[])[] = [];
  const good = virshOf((argv) => {
    seen.push(argv);
    return { stdout: 'one\n' };
  });
  assert.equal(await good.run(['list'], { signal, what }), 'one\n');
  assert.deepEqual(seen, [['env', 'LC_ALL=C', 'virsh', '-q', '-c', 'qemu:///system', 'list']]);
  const bad = virshOf(() => ({ code: 1, stderr: 'error: failed to do it\nerror: no right\n' }));
  await assert.rejects(bad.run(['list'], { signal, what }), {
    code: 'libvirt/failed',
    message:
      'worker host-a: the list of guests failed: failed to do it / no right. The system log there may say more (journalctl).',
  });
  const none = virshOf(() => ({ code: 127, stderr: "env: 'virsh': No such file or directory\n" }));
  await assert.rejects(none.run(['list'], { signal, what }), { code: 'libvirt/no-virsh' });
});

test('a call waits for a daemon that restarts', async () => {
  let calls = 0;
  const virsh = virshOf(() => {
    calls += 1;
    return calls < 3 ? { code: 1, stderr: 'error: failed to connect to the hypervisor' } : { stdout: 'back' };
  });
  assert.equal(await virsh.run(['list'], { signal, what }), 'back');
  assert.equal(calls, 3);
});

test('a network, its bridge and a foreign bridge resolve by name; a missing or inactive network is reported', async () => {
  const listed = 'network default yes virbr0\nnetwork lab no virbr1\nbridge virbr0\nbridge br0\n';
  const networks = new Networks(virshOf(() => ({ stdout: listed })));
  assert.deepEqual(await networks.resolve('default', signal), { network: 'default', bridge: 'virbr0' });
  assert.deepEqual(await networks.resolve('virbr0', signal), { network: 'default', bridge: 'virbr0' });
  assert.deepEqual(await networks.resolve('br0', signal), { bridge: 'br0' });
  await assert.rejects(networks.resolve('lab', signal), {
    code: 'libvirt/network-down',
    message: /virsh net-start lab/,
  });
  await assert.rejects(networks.resolve('br1', signal), {
    code: 'libvirt/no-network',
    message: /default, lab, virbr0, br0/,
  });
});
