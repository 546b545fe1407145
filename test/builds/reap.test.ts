import assert from 'node:assert/strict';
import { test } from 'node:test';
import { reap } from '../../lib/builds/reap.ts';
import type { Owner, Worker } from '../../lib/worker/types.ts';

const MINE = 'c1c1c1c1c1c1';
const of = (build: string, controller = MINE): Owner => ({ controller, build, attempt: 1 });

/** A worker on which that is, each a domain and a clone by the name of its build, and what is ended there. */
function workerWith(...owners: Owner[]) {
  const ended: string[] = [];
  const note = (what: string) => async (name: string) => void ended.push(`${what} ${name}`);
  const worker = {
    hypervisor: { list: async () => owners.map((owner) => ({ domain: owner.build, owner })), stop: note('domain') },
    storage: { list: async () => owners.map((owner) => ({ name: owner.build, owner })), remove: note('clone') },
    sweepMetadata: async () => void ended.push('ways'),
  } as unknown as Worker;
  return { worker, ended };
}

test('what a crash left is ended, and what runs is not', async () => {
  const { worker, ended } = workerWith(of('dead'), of('runs'));
  await reap(worker, MINE, ({ build }) => build === 'runs');
  assert.deepEqual(ended, ['domain dead', 'clone dead', 'ways']);
});

test('what another Recheck has there is left alone, and what tells no controller', async () => {
  const nobodys = { build: 'old', attempt: 1 } as Owner;
  const { worker, ended } = workerWith(of('theirs', 'c2c2c2c2c2c2'), of('read', ''), nobodys, of('dead'));
  await reap(worker, MINE, () => false);
  assert.deepEqual(ended, ['domain dead', 'clone dead', 'ways']);
});

test('a domain that cannot be ended keeps its own clone only: all else goes, and it is tried again', async () => {
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
  assert.deepEqual(ended, ['domain dead', 'clone dead', 'ways']);
});

test('a clone that cannot be removed keeps nothing else', async () => {
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
  assert.deepEqual(ended, ['domain stuck', 'domain dead', 'clone dead', 'ways']);
});

test('a guest that powered off by itself is ended too, before its clone goes', async () => {
  const { worker, ended } = workerWith(of('off'), of('dead'));
  worker.hypervisor.list = async () => [{ domain: 'dead', owner: of('dead') }];
  await reap(worker, MINE, () => false);
  assert.deepEqual(ended, ['domain dead', 'domain off', 'clone off', 'clone dead', 'ways']);
});

test('where the domains cannot be listed, no clone is touched: one may be in use', async () => {
  const { worker, ended } = workerWith(of('dead'));
  worker.hypervisor.list = async () => {
    throw new Error('libvirt is down');
  };
  await assert.rejects(
    reap(worker, MINE, () => false),
    /libvirt is down/,
  );
  assert.deepEqual(ended, ['ways']);
});
