import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reap } from '../../lib/builds/reap.ts';
import type { Owner, Worker } from '../../lib/worker/types.ts';

const MINE = 'c1c1c1c1c1c1';
const of = (build: string, controller = MINE): Owner => ({ controller, build, attempt: 1 });

/** Makes a worker with a domain and a clone per owner, named after its build, and records what is removed. */
function workerWith(...owners: Owner[]) {
  const ended: string[] = [];
  const note = (what: string) => async (name: string) => void ended.push(`${what} ${name}`);
  const worker = {
    hypervisor: { list: async () => owners.map((owner) => ({ domain: owner.build, owner })), stop: note('domain') },
    storage: { list: async () => owners.map((owner) => ({ name: owner.build, owner })), remove: note('clone') },
    sweepMetadata: async () => void ended.push('metadata'),
  } as unknown as Worker;
  return { worker, ended };
}

test('removes what a crash left, but not what belongs to a running build', async () => {
  const { worker, ended } = workerWith(of('dead'), of('runs'));
  await reap(worker, MINE, ({ build }) => build === 'runs');
  assert.deepEqual(ended, ['domain dead', 'clone dead', 'metadata']);
});

test('leaves alone what another Recheck or an unknown controller created', async () => {
  const unowned = { build: 'old', attempt: 1 } as Owner;
  const { worker, ended } = workerWith(of('theirs', 'c2c2c2c2c2c2'), of('read', ''), unowned, of('dead'));
  await reap(worker, MINE, () => false);
  assert.deepEqual(ended, ['domain dead', 'clone dead', 'metadata']);
});

test('a domain that cannot be stopped keeps only its own clone; the error is thrown after the rest is removed', async () => {
  const { worker, ended } = workerWith(of('stuck'), of('dead'));
  const { stop } = worker.hypervisor;
  worker.hypervisor.stop = async (domain, options) => {
    if (domain === 'stuck') throw new Error('stuck cannot be ended');
    await stop(domain, options);
  };
  await assert.rejects(
    reap(worker, MINE, () => false),
    /stuck cannot be ended/,
  );
  assert.deepEqual(ended, ['domain dead', 'clone dead', 'metadata']);
});

test('a clone that cannot be removed does not keep anything else', async () => {
  const { worker, ended } = workerWith(of('stuck'), of('dead'));
  const { remove } = worker.storage;
  worker.storage.remove = async (name, options) => {
    if (name === 'stuck') throw new Error('clone stuck is busy');
    await remove(name, options);
  };
  await assert.rejects(
    reap(worker, MINE, () => false),
    /clone stuck is busy/,
  );
  assert.deepEqual(ended, ['domain stuck', 'domain dead', 'clone dead', 'metadata']);
});

test('a guest that powered off is stopped too before its clone is removed', async () => {
  const { worker, ended } = workerWith(of('off'), of('dead'));
  worker.hypervisor.list = async () => [{ domain: 'dead', owner: of('dead') }];
  await reap(worker, MINE, () => false);
  assert.deepEqual(ended, ['domain dead', 'domain off', 'clone off', 'clone dead', 'metadata']);
});

test('if the domains cannot be listed no clone is removed, because it may be in use', async () => {
  const { worker, ended } = workerWith(of('dead'));
  worker.hypervisor.list = async () => {
    throw new Error('libvirt is down');
  };
  await assert.rejects(
    reap(worker, MINE, () => false),
    /libvirt is down/,
  );
  assert.deepEqual(ended, ['metadata']);
});
