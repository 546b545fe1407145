import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import RED from 'node-red';
import { DirectoryStorage } from '../../../lib/sandbox/worker/storage.ts';
import type { Worker } from '../../../lib/worker/types.ts';
import { assertStatusTexts, run, variable } from '../../support/build-runs.ts';
import { flow, guests, jobs, make, row } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';
import { waitFor } from '../../support/wait.ts';

describe('worker-host', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  let red: TestRed;

  before(async () => {
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Returns the worker of the deployed node. */
  const worker = (): Worker =>
    (RED.nodes as unknown as { getNode(id: string): { worker: Worker } }).getNode('worker-host1').worker;
  const deploy = (settings: Record<string, unknown>) =>
    red.deploy(
      flow(
        make('worker-host', { name: 'here', strangers: true, ...settings }),
        make('vm-image', { name: 'empty' }),
        ...row(
          jobs(),
          make('clone-image', { image: 'vm-image1', hosts: ['worker-host1'] }),
          make('gerrit-review', { silent: true }),
        ),
      ),
    );

  test('the default folder is in Node-RED’s user directory; another one can be set', async () => {
    await deploy({ path: '' });
    assert.equal((await run(red)).result, 'SUCCESS');
    assert.ok(existsSync(join(red.userDir, 'recheck', 'worker', 'images')));
    await deploy({ path: variable('TEST_PATH', join(dir, 'elsewhere')) });
    assert.equal((await run(red)).result, 'SUCCESS');
    assert.deepEqual(readdirSync(join(dir, 'elsewhere')).includes('images'), true);
  });

  test('an unusable folder is reported by name, and is not blamed on the patch', async () => {
    writeFileSync(join(dir, 'file'), '');
    await deploy({ path: join(dir, 'file') });
    const { result, build } = await run(red);
    assert.notEqual(result, 'FAILURE');
    assert.notEqual(result, 'SUCCESS');
    const error = build.steps[0]!.message!;
    assert.ok(error.includes(join(dir, 'file')), error);
    assert.doesNotMatch(error, /\n| {4}at /);
  });

  test('leftovers of a crash are removed at the first deploy; those of another Recheck are kept', async () => {
    const root = join(dir, 'crashed');
    mkdirSync(root);
    const storage = new DirectoryStorage(root);
    const signal = AbortSignal.timeout(5000);
    const image = { name: 'empty', key: 'x', source: { kind: 'empty' }, loginUser: 'ci' } as const;
    await storage.make(image, { signal, onProgress: () => {} });
    const { controller } = red.runtime().services;
    await storage.clone(image, 'recheck-dead-1-vm', { controller, build: 'dead', attempt: 1 }, { signal });
    const other = { name: 'recheck-other-1-vm', owner: { controller: 'c2c2c2c2c2c2', build: 'other', attempt: 1 } };
    await storage.clone(image, other.name, other.owner, { signal });
    await deploy({ path: root });
    const gone = async () => (await storage.list({ signal })).every(({ name }) => name !== 'recheck-dead-1-vm');
    await waitFor('the leftover is removed', gone);
    assert.equal((await run(red)).result, 'SUCCESS');
    assert.deepEqual(await storage.list({ signal }), [other]);
  });

  test('a guest is reachable, and nothing of it is left when its build ends', async () => {
    await red.deploy(
      flow(
        ...guests('vm'),
        jobs({ wires: [['clone-vm']] }),
        ...row(
          make('ssh-exec', { id: 'work', script: 'sleep 300 & echo started' }),
          make('gerrit-review', { silent: true }),
        ),
      ),
    );
    const { result, build } = await run(red, undefined, 20_000);
    assert.equal(result, 'SUCCESS', JSON.stringify(build.steps));
    const { hypervisor, storage } = worker();
    const signal = AbortSignal.timeout(5000);
    assert.deepEqual([await hypervisor.list({ signal }), await storage.list({ signal })], [[], []]);
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
