import assert from 'node:assert/strict';
import { test } from 'node:test';
import { PrivateBridges } from '../../../lib/libvirt/network/private-bridges.ts';
import { Virsh } from '../../../lib/libvirt/virsh.ts';
import { scriptedHost } from '../scripted-host.ts';

const signal = AbortSignal.timeout(20_000);
const owner = { controller: 'c1c1c1c1c1c1', build: 'b1', attempt: 2 };

/** A worker with bridges and their aliases, one pair per line. */
function workerWith(...lines: string[]) {
  const removed: string[] = [];
  const host = scriptedHost((argv) => {
    const text = argv.join(' ');
    if (text.includes('ip link delete')) removed.push(...argv.slice(argv.indexOf('qemu:///system') + 1));
    if (!text.includes('ip link add')) return { stdout: lines.map((line) => `${line}\n`).join('') };
    const alias = argv[argv.indexOf('qemu:///system') + 1]!;
    lines.push(`br0 ${alias}`);
    return { stdout: 'br0\n' };
  });
  return {
    bridges: new PrivateBridges(new Virsh('worker host-a', 'qemu:///system', async () => host)),
    lines,
    removed,
  };
}

test('a bridge names its owner; the same build of another Recheck has its own, which is not removed with it', async () => {
  const { bridges, lines, removed } = workerWith();
  await bridges.ensure(owner, 'brci%', signal);
  const theirs = { ...owner, controller: 'c2c2c2c2c2c2' };
  await bridges.ensure(theirs, 'brci%', signal);
  assert.deepEqual(
    (await bridges.list(signal)).map((bridge) => bridge.owner),
    [owner, theirs],
  );
  assert.notEqual(lines[0], lines[1]);
  await bridges.release(owner, signal);
  assert.deepEqual(
    removed.map((alias) => `br0 ${alias}`),
    [lines[0]],
  );
});

test('an alias without a controller, or of another program, is ignored', async () => {
  const { bridges } = workerWith('br0 recheck b1 2 brci%', 'br1 uplink of the lab', 'br2 recheck');
  assert.deepEqual(await bridges.list(signal), []);
});

test('the longest alias fits into Linux’s limit', async () => {
  const { bridges, lines } = workerWith();
  const build = `image-${'n'.repeat(128)}@${'0'.repeat(12)}`;
  await bridges.ensure({ ...owner, build }, 'bridge-name%', signal);
  assert.ok(lines[0]!.length - 'br0 '.length < 200);
});
