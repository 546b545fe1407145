import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readdirSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { generateKeyPair } from '../../../lib/ssh/keys.ts';
import { assertStatusTexts, faults, handMade, run, variable } from '../../support/build-runs.ts';
import { flow, job, jobs, make, reaching, row } from '../../support/flow-builder.ts';
import { type FlowConfig, startRed, type TestRed } from '../../support/red.ts';
import { waitFor } from '../../support/wait.ts';

describe('clone-image', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  let red: TestRed;

  before(async () => {
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const host = (id: string, settings: Record<string, unknown> = {}) =>
    make('worker-host', { id, name: id.replace('-', ' '), path: join(dir, id), strangers: true, ...settings });
  const clone = (settings: Record<string, unknown> = {}) =>
    make('clone-image', { name: 'clone it', image: 'vm-image1', hosts: ['host-a'], guest: 'vm', ...settings });
  /** Returns a delay during which the build keeps its resources. */
  const hold = (milliseconds: number) =>
    make('delay', { pauseType: 'delay', timeout: String(milliseconds), timeoutUnits: 'milliseconds', outputs: 1 });
  const deploy = (nodes: FlowConfig[], hosts = [host('host-a')], more: Record<string, unknown> = {}) =>
    red.deploy(
      flow(
        ...hosts,
        make('vm-image', { name: 'empty' }),
        ...row(
          jobs(more),
          ...nodes,
          make('gerrit-review', { silent: true, vote: true }),
          make('debug', { id: 'out', active: false }),
        ),
      ),
    );
  const clones = (id: string): string[] =>
    // The name of an unfinished clone begins with a dot.
    (existsSync(join(dir, id, 'clones')) ? readdirSync(join(dir, id, 'clones')) : []).filter(
      (name) => /^recheck-/.test(name) && !name.endsWith('.json'),
    );
  const errorMessage = async (result: string): Promise<string> => {
    const ended = await run(red);
    assert.equal(ended.result, result, ended.build.steps[0]?.message);
    await waitFor('the review has no vote', () => red.status('gerrit-review1').endsWith('dry run: no vote'));
    return ended.build.steps.at(-1)!.message!;
  };

  test('a guest’s disk is cloned on the host, held by the build, and removed with it', async () => {
    await deploy([clone({ guest: variable('TEST_GUEST', 'master') }), hold(200)]);
    assert.equal(red.status('clone-image1'), 'ready');
    const ended = run(red);
    const [name] = await waitFor('the disk is cloned', () => {
      const found = clones('host-a');
      return found.length > 0 ? found : undefined;
    });
    const { build } = await ended;
    assert.equal(name, `recheck-${build.id}-1-master`);
    assert.deepEqual(clones('host-a'), []);
    assert.equal(red.status('clone-image1'), '1 ok');
    const out = await waitFor('the message is passed on', () => red.received('out').at(-1));
    assert.deepEqual((out['build'] as { guests: object }).guests, {}, 'removed guests are not listed');
  });

  test('a missing or deleted image or host is reported without a vote', async () => {
    await deploy([clone({ image: '' })]);
    assert.equal(await errorMessage('ERROR'), 'clone it: no image is selected. Select one in the node.');
    await deploy([clone({ hosts: [] })]);
    assert.equal(await errorMessage('ERROR'), 'clone it: no worker host is selected. Select one in the node.');
    await deploy([clone({ hosts: ['gone'], image: 'gone' })]);
    assert.match(await errorMessage('ERROR'), /no image is selected/);
    assert.ok(faults(red).some((fault) => fault.startsWith('clone it: no image is selected')));
    assert.match(red.status('clone-image1'), /^ERROR: clone it: no image is selected/);
  });

  test('the same guest twice in a lane is refused', async () => {
    await deploy([clone(), clone({ id: 'again', name: 'again' })]);
    assert.match(
      await errorMessage('ERROR'),
      /^This build already has a guest "vm"\. Give each clone-image .* a different guest name\.$/,
    );
    assert.deepEqual(clones('host-a'), []);
  });

  test('the host with the most free slots is used, and all guests of a build are on one host', async () => {
    const hosts = [host('host-a', { slots: '1' }), host('host-b', { slots: variable('TEST_SLOTS', '3') })];
    const both = { hosts: ['host-a', 'host-b'] };
    await deploy([clone({ ...both, guest: 'one' }), clone({ ...both, id: 'two', guest: 'two' }), hold(150)], hosts);
    const ended = run(red);
    await waitFor('two are cloned', () => red.runtime().supervisor.active()[0]?.resources.guests.get('two')?.clone);
    assert.deepEqual([clones('host-a').length, clones('host-b').length], [0, 2]);
    await ended;
  });

  test('the first guest gets a host that later clone-image nodes share; if there is none, the later node reports it', async () => {
    const hosts = [host('host-a', { slots: '3' }), host('host-b', { slots: '1' })];
    const second = (names: string[]) => clone({ id: 'two', name: 'clone two', guest: 'two', hosts: names });
    await deploy([clone({ hosts: ['host-a', 'host-b'], guest: 'one' }), second(['host-b'])], hosts);
    const { build } = await run(red);
    assert.deepEqual(
      build.steps.map(({ result }) => result),
      ['SUCCESS', 'SUCCESS'],
    );
    await deploy([clone({ hosts: ['host-a'], guest: 'one' }), second(['host-b'])], hosts);
    assert.match(
      await errorMessage('ERROR'),
      /^clone two: this build runs on worker host a, but this node names worker host b\. .* same worker hosts/,
    );
  });

  test('if no host has a free slot, builds wait in order; the status shows the reason', async () => {
    await deploy([clone(), hold(400)], [host('host-a', { slots: '1' })]);
    const seen = red.statuses.length;
    const ended = [run(red), run(red), run(red)];
    const results = (await Promise.all(ended)).map(({ result }) => result);
    assert.deepEqual(results, ['SUCCESS', 'SUCCESS', 'SUCCESS']);
    const texts = red.statuses
      .slice(seen)
      .filter(({ id }) => id === 'clone-image1')
      .map(({ text }) => text);
    assert.ok(
      texts.some((text) => / 1st in line · 1\/1 slots$/.test(text)),
      texts.join('\n'),
    );
  });

  test('a build that waits too long ends as NODE_FAILURE, names the full hosts, and does not vote', async () => {
    await deploy([clone({ wait: '0.005' }), hold(900)], [host('host-a', { slots: '1' })]);
    const first = run(red);
    await waitFor('the build holds the slot', () => red.runtime().supervisor.active()[0]?.resources.worker);
    const late = await run(red);
    assert.equal(late.result, 'NODE_FAILURE');
    assert.match(
      late.build.steps[0]!.message!,
      /^No worker had a free slot within .*: worker host a has 1 of 1 slots in use\. Add a worker host or slots/,
    );
    assert.equal((await first).result, 'SUCCESS');
  });

  test('a build that is aborted while it waits leaves the queue', async () => {
    await deploy([clone(), hold(700)], [host('host-a', { slots: '1' })]);
    const first = run(red);
    const held = await waitFor('the build holds the slot', () =>
      red
        .runtime()
        .supervisor.active()
        .find((build) => build.resources.worker),
    );
    const second = run(red);
    const waiting = await waitFor('another build waits', () =>
      red
        .runtime()
        .supervisor.active()
        .find((build) => build.running.size > 0 && build.id !== held.id),
    );
    red.send('ci-jobs1', { kill: waiting.id });
    assert.equal((await second).result, 'ABORTED');
    assert.equal((await first).result, 'SUCCESS');
    assert.equal((await run(red)).result, 'SUCCESS', 'the slot is free');
  });

  test('an untrusted change runs on a host without isolation only if the option is ticked', async () => {
    const far = {
      label: '',
      host: 'review.invalid',
      port: 29418,
      user: 'ci',
      privateKey: generateKeyPair('x').privateKey,
    };
    const near = { ...far, host: '127.0.0.1', port: 1 };
    const servers = [
      make('gerrit-server', { id: 'far', name: 'far away', ...reaching(far) }),
      make('gerrit-server', { id: 'near', name: 'near by', ...reaching(near) }),
    ];
    const from = (server: string) => run(red, handMade({ server }));
    await deploy([clone()], [host('host-a', { strangers: false }), ...servers]);
    const refused = await from('far');
    assert.equal(refused.result, 'ERROR');
    assert.match(
      refused.build.steps[0]!.message!,
      /^worker host a does not isolate builds from its machine, .* or allow untrusted code in the worker host/,
    );
    assert.equal((await from('near')).result, 'SUCCESS');
    await deploy([clone()], [host('host-a', { strangers: variable('TEST_STRANGERS', 'true') }), ...servers]);
    assert.equal((await from('far')).result, 'SUCCESS');
  });

  test('each job of a trigger has its own clone', async () => {
    await deploy([clone(), hold(200)], [host('host-a', { slots: '2' })], { jobs: [job('one'), job('two')] });
    const message = handMade();
    const ended = run(red, message);
    await waitFor('both are cloned', () => clones('host-a').length === 2);
    await ended;
    await waitFor('both are removed', () => clones('host-a').length === 0);
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
