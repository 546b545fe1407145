import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { Message } from '../../../lib/builds/types.ts';
import type { BuildView } from '../../../lib/model/build.ts';
import { refUpdated, uploaded } from '../../gerrit/events.ts';
import { ask, assertStatusTexts, faults, handMade, run, variable } from '../../support/build-runs.ts';
import { flow, job, jobs, make } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';
import { waitFor } from '../../support/wait.ts';

describe('ci-jobs', () => {
  let red: TestRed;

  before(async () => {
    red = await startRed();
  });
  after(() => red?.close());

  /** Deploys two lanes, each with a debug node, that end at one review; the first is delayed by `wait` milliseconds. */
  const deploy = (settings: Record<string, unknown> = {}, wait = 0) =>
    red.deploy(
      flow(
        make('gerrit-server', { kind: 'sandbox', ciName: 'acme-ci' }),
        jobs({
          lanes: [
            { id: 'lane-1', label: '' },
            { id: 'lane-2', label: '' },
          ],
          outputs: 2,
          wires: [
            ['first', wait ? 'delay1' : 'gerrit-review1'],
            ['second', 'gerrit-review1'],
          ],
          ...settings,
        }),
        make('debug', { id: 'first', active: false }),
        make('debug', { id: 'second', active: false }),
        make('delay', {
          pauseType: 'delay',
          timeout: String(wait),
          timeoutUnits: 'milliseconds',
          outputs: 1,
          wires: [['gerrit-review1']],
        }),
        make('gerrit-review', { silent: true, wires: [['report']] }),
        make('debug', { id: 'report', active: false }),
      ),
    );
  /** Returns the builds of a change on a lane. */
  const builds = (lane: 'first' | 'second', number: unknown): BuildView[] =>
    red
      .received(lane)
      .filter(({ change }) => (change as { number: number }).number === number)
      .map(({ build }) => build as BuildView);
  const numberOf = (message: Message) => message.change!.number;
  const report = (message: Message) =>
    waitFor('the report is sent', () =>
      red.received('report').find(({ change }) => (change as { number: number }).number === numberOf(message)),
    ) as Promise<Message & { payload: { message: string } }>;
  const trigger = (type: string, key = type) => ({ trigger: { type, key, reason: 'a test' } });
  const waitForStatus = (pattern: RegExp) =>
    waitFor(`ci-jobs shows ${pattern}`, () => pattern.test(red.status('ci-jobs1'))).catch((error) => {
      throw new Error(`${error.message}, but "${red.status('ci-jobs1')}"`);
    });

  test('the node is idle at first; each row starts a build on its lane, in any order of rows', async () => {
    await deploy({
      jobs: [job('lint', { lane: 'lane-2' }), job('unit'), job('style', { lane: 'lane-2', voting: false })],
    });
    await waitForStatus(/^idle$/);
    const message = handMade();
    await run(red, message);
    const { payload, build } = await report(message);
    assert.deepEqual(
      builds('first', numberOf(message)).map((each) => each.job),
      ['unit'],
    );
    assert.deepEqual(
      builds('second', numberOf(message)).map((each) => each.job),
      ['lint', 'style'],
    );
    assert.match(
      payload.message,
      /^Build succeeded \(check pipeline\)\.\n\n- lint .*\n- unit .*\n- style .*\(non-voting\)/,
    );
    assert.equal(build!.set.count, 3);
    await waitForStatus(/^idle$/);
    assert.ok(red.statuses.some(({ text }) => text === '3 running'));
  });

  test('each job has its own events, projects and branches; the status says if no job matches', async () => {
    const only = (match: string, pattern: string) => [{ match, pattern }];
    await deploy({
      jobs: [
        job('usual'),
        job('merged', { events: ['merged'] }),
        job('nova', { projects: only('glob', 'openstack/*') }),
        job('stable', { branches: only('regex', 'stable/\\d+'), events: ['patchset', 'ref'] }),
      ],
    });
    const names = async (change: Record<string, unknown>, type: string) => {
      const message = handMade(change, trigger(type));
      await run(red, message);
      await report(message);
      return builds('first', numberOf(message)).map((each) => each.job);
    };
    assert.deepEqual(await names({}, 'patchset'), ['usual']);
    assert.deepEqual(await names({}, 'recheck'), ['usual']);
    assert.deepEqual(await names({}, 'merged'), ['merged']);
    assert.deepEqual(await names({ project: 'openstack/nova' }, 'patchset'), ['usual', 'nova']);
    assert.deepEqual(await names({ branch: 'stable/2' }, 'patchset'), ['usual', 'stable']);
    // A manual start runs all jobs that match the project and branch.
    assert.deepEqual(await names({ branch: 'stable/2' }, 'manual'), ['usual', 'merged', 'stable']);
    red.send('ci-jobs1', handMade({ project: 'x' }, trigger('ref')));
    await waitForStatus(/^no job for x$/);
    const event = refUpdated('refs/heads/stable/3');
    const change = { server: '', project: 'demo', branch: 'stable/3', ref: 'refs/heads/stable/3', revision: 'abc' };
    red.send('ci-jobs1', { change, payload: event, ...trigger('ref') });
    const built = await waitFor('a build of the ref starts', () =>
      red.received('first').find(({ change: c }) => (c as { ref?: string }).ref === change.ref),
    );
    assert.equal((built['build'] as BuildView).job, 'stable');
  });

  test('the environment contains the event, the selected fields and the job’s variables, all as data', async () => {
    await deploy({
      pipeline: 'gate',
      jobs: [
        job('unit', {
          env: [
            { name: 'COLOUR', value: variable('SHADE', 'dark green') },
            { name: 'GERRIT_BRANCH', value: 'mine' },
            { name: '', value: 'nothing' },
          ],
        }),
      ],
      eventEnv: [
        { name: 'TOPIC', path: 'change.topic' },
        { name: 'UPLOADER', path: 'patchSet.uploader.username' },
        { name: 'OBJECT', path: 'change' },
      ],
    });
    const event = uploaded();
    const subject = `It's "x"; $(reboot) \`y\`\nnext`;
    const message = handMade(
      { patchset: 2, subject, ref: 'refs/changes/01/1/2' },
      { ...trigger('patchset'), payload: event },
    );
    await run(red, message);
    const { env } = builds('first', numberOf(message))[0]!;
    assert.deepEqual(Object.fromEntries(Object.entries(env).filter(([name]) => !name.startsWith('GERRIT_'))), {
      COLOUR: 'dark green',
      UPLOADER: 'ann',
    });
    assert.equal(env['GERRIT_CHANGE_SUBJECT'], subject);
    assert.equal(env['GERRIT_BRANCH'], 'mine');
    assert.equal(env['GERRIT_EVENT_TYPE'], 'patchset-created');
    assert.match((await report(message)).payload.message, /\(gate pipeline\)/);
  });

  test('a manual message needs a project and a number; patchset and ref are derived', async () => {
    await deploy();
    const one = { change: { project: 'demo', number: '4321' }, patchset: '3' };
    red.send('ci-jobs1', one);
    const built = await waitFor('the build starts', () => builds('first', 4321)[0]);
    assert.equal(built.env['GERRIT_REF'], 'refs/changes/21/4321/3');
    assert.equal(built.env['GERRIT_EVENT_TYPE'], 'manual');
    const two = { change: { project: 'demo', number: 5 }, patchset: { number: 2, ref: 'refs/x/2', revision: 'abc' } };
    red.send('ci-jobs1', two);
    const { env } = await waitFor('the build starts', () => builds('first', 5)[0]);
    assert.deepEqual([env['GERRIT_REF'], env['GERRIT_PATCHSET_REVISION']], ['refs/x/2', 'abc']);
    // A repeated manual start is intentional.
    red.send('ci-jobs1', two);
    await waitFor('the build starts again', () => builds('first', 5).length === 2);
  });

  test('messages without a change are reported on the node and to Catch nodes, and the node continues', async () => {
    await deploy();
    const before = faults(red).length;
    const bad = [
      {},
      { change: 'demo' },
      { change: { number: 1 } },
      { change: { project: '' } },
      { change: [] },
      { payload: null },
    ];
    for (const message of bad) red.send('ci-jobs1', message);
    await waitFor('all are caught', () => faults(red).length === before + bad.length);
    for (const fault of faults(red).slice(before)) assert.match(fault, /^This message names no change\. Wire/);
    await waitForStatus(/^This message names no change/);
    const odd = handMade(
      { branch: 7, subject: { a: 1 } },
      { patchset: -1, trigger: 'now', payload: 'text', kill: false },
    );
    red.send('ci-jobs1', odd);
    await waitFor('valid fields of an odd message are used', () => builds('first', numberOf(odd)).length === 1);
  });

  test('an invalid pattern is reported with its row', async () => {
    await deploy({ jobs: [job('unit', { projects: [{ match: 'regex', pattern: '(' }] })] });
    red.send('ci-jobs1', handMade());
    await waitForStatus(/^Row 1 of the list, "\(", cannot be used/);
  });

  test('a repeated trigger starts no build, and another trigger starts one', async () => {
    await deploy();
    const message = handMade({}, trigger('patchset', 'ps'));
    await run(red, message);
    red.send('ci-jobs1', message);
    await waitForStatus(/^duplicate event, skipped$/);
    assert.equal(builds('first', numberOf(message)).length, 1);
    await run(red, { ...message, ...trigger('recheck', 'recheck-1') });
  });

  test('a newer patchset cancels the build of the older one if the option is ticked', async () => {
    for (const supersede of [true, false]) {
      await deploy({ supersede }, 400);
      const first = handMade({}, trigger('patchset'));
      const next = { ...first, change: { ...first.change, patchset: 2 } } as Message;
      const one = run(red, first);
      await waitFor('its build runs', () => builds('first', numberOf(first)).length === 1);
      const two = run(red, next);
      assert.equal((await one).result, supersede ? 'ABORTED' : 'SUCCESS');
      assert.equal((await two).result, 'SUCCESS');
    }
  });

  test('msg.kill aborts all builds of the node, or the one with the given id; the button aborts all', async () => {
    await deploy({}, 300);
    const start = async () => {
      const message = handMade();
      const ended = run(red, message);
      const build = await waitFor('the build runs', () => builds('first', numberOf(message))[0]);
      return { ended, build };
    };
    const [one, two] = [await start(), await start()];
    red.send('ci-jobs1', { kill: one.build.id });
    assert.equal((await one.ended).result, 'ABORTED');
    assert.equal((await two.ended).result, 'SUCCESS');
    const three = await start();
    red.send('ci-jobs1', { kill: true });
    assert.equal((await three.ended).result, 'ABORTED');
    assert.ok(red.statuses.some(({ id, text }) => id === 'ci-jobs1' && text === '1 aborted'));
    const four = await start();
    assert.deepEqual(await ask(red, 'POST', 'ci-jobs/ci-jobs1/abort'), { ok: true });
    assert.equal((await four.ended).result, 'ABORTED');
    await waitFor('the build is reported without a vote', () =>
      / dry run: no vote$/.test(red.status('gerrit-review1')),
    );
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
