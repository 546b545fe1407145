import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { Build } from '../../lib/builds/build.ts';
import { runStep } from '../../lib/builds/step.ts';
import type { Flow } from '../../lib/builds/types.ts';
import { jobTimeUp } from '../../lib/errors/build.ts';
import { diskFull, guestVanished, libvirtDown } from '../../lib/errors/libvirt.ts';

const spec = { node: 'n1', type: 'ssh-exec', name: 'work', when: 'passing', timed: true } as const;

/** Runs a step that exceeds the job's time limit, in a build of one guest whose worker answers with `check`. */
async function overTime(check: () => Promise<void>) {
  const guest = { name: 'vm', domain: 'd', booted: true, worker: { hypervisor: { check } } };
  const work = new AbortController();
  const build = {
    label: '1,1',
    id: 'b1',
    set: { request: { node: 'jobs' } },
    resources: { guests: new Map([['vm', guest]]) },
    work,
    running: new Set(),
    steps: [],
    clock: { pause() {}, resume() {}, start() {} },
    say() {},
    recordResult() {},
  } as unknown as Build;
  return runStep(build, spec, { emit() {} } as unknown as Flow, async () => {
    work.abort(jobTimeUp(30));
    throw new Error('ended');
  });
}

test('a script that exceeds the job’s time limit because of its worker is not blamed on the patch', async () => {
  const throwing = (fault: Error) => async () => {
    throw fault;
  };
  const { outcome, fault } = await overTime(throwing(diskFull('worker a', 'd', 'No space left on device')));
  assert.equal(outcome.result, 'DISK_FULL');
  assert.match(outcome.message!, /worker's disk is full/);
  assert.equal(fault?.code, 'libvirt/guest-stopped', 'a Catch node is told');
  for (const check of [
    async () => {},
    throwing(libvirtDown('worker a', 'qemu:///system', 'no')),
    throwing(guestVanished('worker a', 'd')),
  ]) {
    const own = await overTime(check);
    assert.deepEqual([own.outcome.result, own.fault], ['TIMED_OUT', undefined]);
  }
});
