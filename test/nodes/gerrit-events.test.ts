import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type SandboxGerrit, startSandboxGerrit } from '../../lib/sandbox/gerrit.ts';
import { commented, refUpdated, uploaded } from '../gerrit/events.ts';
import { ask, assertWords, variable } from '../support/build-runs.ts';
import { type FakeGerrit, hurry, startFakeGerrit } from '../support/fake-gerrit.ts';
import { flow, jobs, make, reaching, row } from '../support/flow-builder.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';

describe('gerrit-events', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  let red: TestRed;
  let gerrit: FakeGerrit;
  let sandbox: SandboxGerrit;
  let calm: () => void;
  /** The node of this test: each has one of its own, so that none sees another's counts. */
  let id = 'events0';
  let nodes = 0;

  before(async () => {
    gerrit = await startFakeGerrit();
    sandbox = await startSandboxGerrit({ dir: join(dir, 'gerrit') });
    red = await startRed();
    await red.deploy(flow(jobs()));
    calm = await hurry(red);
  });
  after(async () => {
    calm?.();
    await red?.close();
    await gerrit?.close();
    await sandbox?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const status = () => red.status(id);
  const shows = (words: RegExp, limit = 60_000) =>
    waitFor(`the node shows ${words}`, () => words.test(status()), limit).catch((error) => {
      throw new Error(`${error.message}, but "${status()}"`);
    });
  const deploy = async (settings: Record<string, unknown> = {}, server = gerrit.target) => {
    nodes += 1;
    id = `events${nodes}`;
    const before = gerrit.opened;
    await red.deploy(
      flow(
        make('gerrit-server', { name: 'g', ciName: 'my-ci', ...reaching(server) }),
        ...row(
          make('gerrit-events', { id, server: 'gerrit-server1', ...settings }),
          make('debug', { id: `out${nodes}`, active: false }),
        ),
      ),
    );
    if (server === gerrit.target && settings['source'] !== 'replay')
      await waitFor('its stream is open', () => gerrit.opened > before && status().startsWith('connected'));
  };
  const taken = () => red.received(`out${nodes}`);
  /** Sends events and waits until the node has seen them all. */
  const say = async (...lines: (string | object)[]) => {
    const seen = Number(/of (\d+)/.exec(status())?.[1]) || 0;
    const bad = Number(/(\d+) unreadable/.exec(status())?.[1]) || 0;
    for (const line of lines) gerrit.say(line);
    const garbage = lines.filter((line) => typeof line === 'string').length;
    await waitFor('all was read', () => {
      const now = status();
      const [, count] = /of (\d+)/.exec(now) ?? [];
      return (
        Number(count) === seen + lines.length - garbage &&
        (Number(/(\d+) unreadable/.exec(now)?.[1]) || 0) === bad + garbage
      );
    });
  };
  const on = (project: string, branch = 'master', number = 1) => {
    const event = uploaded() as unknown as { change: object; patchSet: object };
    return { ...event, change: { ...event.change, project, branch, number } };
  };

  test('a patchset and a recheck become messages: event, change, trigger, topic', async () => {
    await deploy();
    await say(uploaded(), commented('Patch Set 2:\n\nrecheck'), commented('Patch Set 2:\n\nlooks good'));
    assert.match(status(), /^connected · 2 of 3$/);
    const [patchset, recheck] = taken();
    assert.equal(patchset!['topic'], 'demo');
    assert.deepEqual(patchset!['payload'], uploaded());
    assert.deepEqual(patchset!['change'], {
      server: 'gerrit-server1',
      project: 'demo',
      branch: 'master',
      number: 1,
      patchset: 2,
      revision: '479ccfd8802ff5f277ed80dcfb3fec54d72efff5',
      ref: 'refs/changes/01/1/2',
      changeId: 'I0b5a01c7220e3aa6e7097ea602d576d3c79d437c',
      url: 'http://127.0.0.1:8080/c/demo/+/1',
      subject: 'First',
      owner: 'ann',
    });
    assert.equal((patchset!['trigger'] as { reason: string }).reason, 'patchset 2 was uploaded');
    assert.equal((recheck!['trigger'] as { reason: string }).reason, 'ann commented: recheck');
  });

  test('each kind of start can be ticked; the CI’s own comments never start anything', async () => {
    await deploy({ onPatchset: false, onRecheck: false, onMerged: true, onRefUpdated: true });
    // Each patchset and comment moves such a ref: it is not worth a number on the node.
    gerrit.say(refUpdated('refs/changes/01/1/meta'));
    await say(
      uploaded(),
      commented('Patch Set 2:\n\nrecheck'),
      { ...uploaded(), type: 'change-merged', newRev: '1'.repeat(40) },
      refUpdated('refs/heads/stable'),
    );
    const kinds = taken().map(({ trigger }) => (trigger as { type: string }).type);
    assert.deepEqual(kinds, ['merged', 'ref']);
    assert.equal((taken()[1]!['change'] as { branch: string }).branch, 'stable');

    await deploy();
    // Its own footer says how to run it again.
    const me = { author: { name: 'My CI', username: 'my-ci' } };
    await say(commented('Patch Set 2: Verified-1\n\nComment "my-ci recheck" to run again.\n\nrecheck', me));
    assert.equal(taken().length, 0);
  });

  test('projects and branches: exact, glob, regex; all of them only with "*"', async () => {
    const projects = [
      { match: 'exact', pattern: 'demo' },
      { match: 'glob', pattern: 'openstack/*' },
      { match: 'regex', pattern: 'infra/(a|b)' },
    ];
    await deploy({ projects, branches: [{ match: 'glob', pattern: 'stable/*' }] });
    await say(
      on('demo', 'stable/1'),
      on('demo', 'master'),
      on('openstack/nova', 'stable/2'),
      on('infra/a', 'stable/3'),
      on('infra/ab', 'stable/3'),
      on('demo2', 'stable/1'),
    );
    const names = taken().map(({ change }) => (change as { project: string }).project);
    assert.deepEqual(names, ['demo', 'openstack/nova', 'infra/a']);
    await deploy({ projects: [{ match: 'exact', pattern: '' }] });
    await say(on('demo'));
    assert.equal(taken().length, 0, 'an empty row is no wildcard');
    await deploy({ projects: [{ match: 'glob', pattern: '*' }] });
    await say(on('demo'), on('anything/else'));
    assert.equal(taken().length, 2);
  });

  test('an invalid pattern or recheck expression is reported on the node, with its row', async () => {
    const broken = { server: 'gerrit-server1', projects: [{ match: 'regex', pattern: '(' }] };
    nodes += 1;
    id = `events${nodes}`;
    await red.deploy(flow(make('gerrit-server', reaching(gerrit.target)), make('gerrit-events', { id, ...broken })));
    await shows(/^Row 1 of the list, "\(", cannot be used/);
    nodes += 1;
    id = `events${nodes}`;
    await red.deploy(flow(make('gerrit-events', { id, server: '', recheck: '[' })));
    await shows(/^The recheck expression "\[" cannot be used/);
  });

  test('recheck comments: the operator’s expression, and the CI’s name', async () => {
    await deploy({ recheck: variable('RECHECK_WORDS', '^please test$') });
    await say(commented('Patch Set 2:\n\nrecheck'), commented('Patch Set 2:\n\nPlease test'));
    assert.equal(taken().length, 1);
    await deploy();
    await say(commented('Patch Set 2:\n\nother-ci recheck'), commented('Patch Set 2:\n\nmy-ci recheck'));
    assert.equal(taken().length, 1);
  });

  test('unreadable lines, events without fields, unknown types: counted and shown, never fatal', async () => {
    await deploy();
    await say(
      '{"type":"patchset-created"',
      'not json at all',
      '[1,2]',
      { type: 'patchset-created' },
      { type: 'from-mars' },
    );
    gerrit.say('x'.repeat(1_100_000));
    await waitFor('the endless line is counted', () => / · 4 unreadable/.test(status()));
    await say(on('demo'));
    assert.match(status(), /^connected · 1 of 3 · 4 unreadable$/);
  });

  test('a stream that ends is reopened; one that hangs is detected and replaced', async () => {
    await deploy();
    await say(on('demo', 'master', 1));
    const opened = gerrit.opened;
    gerrit.endStreams();
    await shows(/^retry in \d+ s: .*the event stream ended/);
    await waitFor('it is open again', () => gerrit.opened > opened && status().startsWith('connected'));
    await say(on('demo', 'master', 2));
    const logins = gerrit.server.logins;
    gerrit.mute = true;
    await shows(/is silent and the server does not answer|connection was lost|Recheck closed the connection/);
    gerrit.mute = false;
    await waitFor('it is connected anew', () => gerrit.server.logins > logins && status().startsWith('connected'));
    gerrit.server.cut();
    await shows(/^retry in \d+ s: .*the connection was lost/);
    await waitFor('and again', () => gerrit.server.logins > logins + 1 && status().startsWith('connected'));
    await say(on('demo', 'master', 3));
    assert.equal(taken().length, 3);
  });

  test('a recorded stream is replayed without or with pauses, and counted; unreadable lines in it are harmless', async () => {
    const file = join(dir, 'events.jsonl');
    const lines = [on('demo', 'master', 7), on('other'), on('demo', 'master', 8)].map((event) => JSON.stringify(event));
    writeFileSync(file, [lines[0], 'rubbish', ...lines.slice(1), ''].join('\n'));
    await deploy({ source: 'replay', replayFile: variable('REPLAY', file), replayPace: 'asap' });
    await shows(/^replayed · 2 of 3 · 1 unreadable$/);
    const numbers = () => taken().map(({ change }) => (change as { number: number }).number);
    assert.deepEqual(numbers(), [7, 8]);
    const began = Date.now();
    await deploy({ source: 'replay', server: '', replayFile: file, replayPace: '250' });
    await shows(/^replaying · \d of \d/);
    await shows(/^replayed · 2 of 3/);
    assert.ok(Date.now() - began >= 490, 'two pauses of 250 ms');
    await deploy({ source: 'replay', server: '', replayFile: join(dir, 'nowhere'), replayPace: 'asap' });
    await shows(/^The recorded stream .*nowhere/);
    assert.ok(red.logs.some(({ msg }) => /nowhere cannot be read: .*one JSON event per line/.test(msg)));
  });

  test('the button runs the newest open change again; if it cannot, it says why', async () => {
    const first = await sandbox.uploadSample('good');
    const second = await sandbox.uploadSample('broken');
    await sandbox.uploadPatchset(first, 'good');
    await deploy({}, sandbox.target);
    await shows(/^connected/);
    const answer = await ask(red, 'POST', `gerrit-events/${id}/run`);
    assert.equal(answer['ok'], true);
    assert.match(String(answer['label']), new RegExp(`^${first},2 “\\w.*”$`));
    await waitFor('it runs', () => taken().length === 1);
    const { change, trigger } = taken()[0] as { change: { number: number; patchset: number }; trigger: object };
    assert.deepEqual([change.number, change.patchset], [first, 2]);
    assert.equal((trigger as { reason: string }).reason, 'started in the editor');
    await ask(red, 'POST', `gerrit-events/${id}/run`);
    await waitFor('it runs once more: this is no duplicate', () => taken().length === 2);
    const keys = taken().map((message) => (message['trigger'] as { key: string }).key);
    assert.notEqual(keys[0], keys[1]);

    for (const number of [first, second]) await sandbox.abandon(number);
    const none = await ask(red, 'POST', `gerrit-events/${id}/run`);
    assert.deepEqual(none, {
      ok: false,
      error: "No open change matches this node's projects and branches.",
    });
    const gone = await ask(red, 'POST', 'gerrit-events/not-there/run');
    assert.match(String(gone['error']), /not deployed yet/);
    await deploy({ server: '', source: 'replay', replayFile: join(dir, 'events.jsonl'), replayPace: 'asap' });
    await shows(/^replayed/);
    assert.deepEqual(await ask(red, 'POST', `gerrit-events/${id}/run`), { ok: false, error: 'choose a Gerrit server' });
  });

  test('a node without a server says what to do', async () => {
    nodes += 1;
    id = `events${nodes}`;
    await red.deploy(flow(make('gerrit-events', { id, server: '' })));
    await shows(/^choose a Gerrit server$/);
  });

  test('every status was readable text', () => assertWords(red));
});
