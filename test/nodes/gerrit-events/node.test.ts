import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { type SandboxGerrit, startSandboxGerrit } from '../../../lib/sandbox/gerrit.ts';
import { commented, refUpdated, uploaded } from '../../gerrit/events.ts';
import { ask, assertStatusTexts, variable } from '../../support/build-runs.ts';
import { type FakeGerrit, shortenDelays, startFakeGerrit } from '../../support/fake-gerrit.ts';
import { flow, jobs, make, reaching, row } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';
import { waitFor } from '../../support/wait.ts';

describe('gerrit-events', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  let red: TestRed;
  let gerrit: FakeGerrit;
  let sandbox: SandboxGerrit;
  let closeConnections: () => void;
  /** The id of the node under test. Each deploy uses a new one, so that its counts start at 0. */
  let id = 'events0';
  let nodes = 0;

  before(async () => {
    gerrit = await startFakeGerrit();
    sandbox = await startSandboxGerrit({ dir: join(dir, 'gerrit') });
    red = await startRed();
    await red.deploy(flow(jobs()));
    closeConnections = await shortenDelays(red);
  });
  after(async () => {
    closeConnections?.();
    await red?.close();
    await gerrit?.close();
    await sandbox?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  const status = () => red.status(id);
  const waitForStatus = (pattern: RegExp, limit = 60_000) =>
    waitFor(`the node shows ${pattern}`, () => pattern.test(status()), limit).catch((error) => {
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
      await waitFor('the event stream is open', () => gerrit.opened > before && status().startsWith('connected'));
  };
  const messages = () => red.received(`out${nodes}`);
  /** Sends events and waits until the node has counted them all. */
  const sendEvents = async (...lines: (string | object)[]) => {
    const seen = Number(/of (\d+)/.exec(status())?.[1]) || 0;
    const bad = Number(/(\d+) unreadable/.exec(status())?.[1]) || 0;
    for (const line of lines) gerrit.say(line);
    const garbage = lines.filter((line) => typeof line === 'string').length;
    await waitFor('all events are counted', () => {
      const now = status();
      const [, count] = /of (\d+)/.exec(now) ?? [];
      return (
        Number(count) === seen + lines.length - garbage &&
        (Number(/(\d+) unreadable/.exec(now)?.[1]) || 0) === bad + garbage
      );
    });
  };
  const uploadedTo = (project: string, branch = 'master', number = 1) => {
    const event = uploaded() as unknown as { change: object; patchSet: object };
    return { ...event, change: { ...event.change, project, branch, number } };
  };

  test('a patchset and a recheck become messages with event, change, trigger and topic', async () => {
    await deploy();
    await sendEvents(uploaded(), commented('Patch Set 2:\n\nrecheck'), commented('Patch Set 2:\n\nlooks good'));
    assert.match(status(), /^connected · 2 of 3$/);
    const [patchset, recheck] = messages();
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

  test('each kind of event can be ticked; the CI’s own comments never start a build', async () => {
    await deploy({ onPatchset: false, onRecheck: false, onMerged: true, onRefUpdated: true });
    // Each patchset and comment updates such a ref, so these events are not counted.
    gerrit.say(refUpdated('refs/changes/01/1/meta'));
    await sendEvents(
      uploaded(),
      commented('Patch Set 2:\n\nrecheck'),
      { ...uploaded(), type: 'change-merged', newRev: '1'.repeat(40) },
      refUpdated('refs/heads/stable'),
    );
    const kinds = messages().map(({ trigger }) => (trigger as { type: string }).type);
    assert.deepEqual(kinds, ['merged', 'ref']);
    assert.equal((messages()[1]!['change'] as { branch: string }).branch, 'stable');

    await deploy();
    // The CI's own footer contains its recheck comment.
    const me = { author: { name: 'My CI', username: 'my-ci' } };
    await sendEvents(commented('Patch Set 2: Verified-1\n\nComment "my-ci recheck" to run again.\n\nrecheck', me));
    assert.equal(messages().length, 0);
  });

  test('projects and branches match exactly, by glob or by regex; only "*" matches all', async () => {
    const projects = [
      { match: 'exact', pattern: 'demo' },
      { match: 'glob', pattern: 'openstack/*' },
      { match: 'regex', pattern: 'infra/(a|b)' },
    ];
    await deploy({ projects, branches: [{ match: 'glob', pattern: 'stable/*' }] });
    await sendEvents(
      uploadedTo('demo', 'stable/1'),
      uploadedTo('demo', 'master'),
      uploadedTo('openstack/nova', 'stable/2'),
      uploadedTo('infra/a', 'stable/3'),
      uploadedTo('infra/ab', 'stable/3'),
      uploadedTo('demo2', 'stable/1'),
    );
    const names = messages().map(({ change }) => (change as { project: string }).project);
    assert.deepEqual(names, ['demo', 'openstack/nova', 'infra/a']);
    await deploy({ projects: [{ match: 'exact', pattern: '' }] });
    await sendEvents(uploadedTo('demo'));
    assert.equal(messages().length, 0, 'an empty row matches nothing');
    await deploy({ projects: [{ match: 'glob', pattern: '*' }] });
    await sendEvents(uploadedTo('demo'), uploadedTo('anything/else'));
    assert.equal(messages().length, 2);
  });

  test('an invalid pattern or recheck expression is reported on the node, with its row', async () => {
    const broken = { server: 'gerrit-server1', projects: [{ match: 'regex', pattern: '(' }] };
    nodes += 1;
    id = `events${nodes}`;
    await red.deploy(flow(make('gerrit-server', reaching(gerrit.target)), make('gerrit-events', { id, ...broken })));
    await waitForStatus(/^Row 1 of the list, "\(", cannot be used/);
    nodes += 1;
    id = `events${nodes}`;
    await red.deploy(flow(make('gerrit-events', { id, server: '', recheck: '[' })));
    await waitForStatus(/^The recheck expression "\[" cannot be used/);
  });

  test('recheck comments match the operator’s expression, and may name the CI', async () => {
    await deploy({ recheck: variable('RECHECK_WORDS', '^please test$') });
    await sendEvents(commented('Patch Set 2:\n\nrecheck'), commented('Patch Set 2:\n\nPlease test'));
    assert.equal(messages().length, 1);
    await deploy();
    await sendEvents(commented('Patch Set 2:\n\nother-ci recheck'), commented('Patch Set 2:\n\nmy-ci recheck'));
    assert.equal(messages().length, 1);
  });

  test('unreadable lines, events without fields and unknown types are counted and shown, and are never fatal', async () => {
    await deploy();
    await sendEvents(
      '{"type":"patchset-created"',
      'not json at all',
      '[1,2]',
      { type: 'patchset-created' },
      { type: 'from-mars' },
    );
    gerrit.say('x'.repeat(1_100_000));
    await waitFor('the overlong line is counted', () => / · 4 unreadable/.test(status()));
    await sendEvents(uploadedTo('demo'));
    assert.match(status(), /^connected · 1 of 3 · 4 unreadable$/);
  });

  test('a stream that ends is reopened, and one that hangs is detected and replaced', async () => {
    await deploy();
    await sendEvents(uploadedTo('demo', 'master', 1));
    const opened = gerrit.opened;
    gerrit.endStreams();
    await waitForStatus(/^retry in \d+ s: .*the event stream ended/);
    await waitFor('the stream is open again', () => gerrit.opened > opened && status().startsWith('connected'));
    await sendEvents(uploadedTo('demo', 'master', 2));
    const logins = gerrit.server.logins;
    gerrit.mute = true;
    await waitForStatus(/is silent and the server does not answer|connection was lost|Recheck closed the connection/);
    gerrit.mute = false;
    await waitFor('the node connects again', () => gerrit.server.logins > logins && status().startsWith('connected'));
    gerrit.server.cut();
    await waitForStatus(/^retry in \d+ s: .*the connection was lost/);
    await waitFor('it connects once more', () => gerrit.server.logins > logins + 1 && status().startsWith('connected'));
    await sendEvents(uploadedTo('demo', 'master', 3));
    assert.equal(messages().length, 3);
  });

  test('a recorded stream is replayed with or without pauses and counted; unreadable lines in it are skipped', async () => {
    const file = join(dir, 'events.jsonl');
    const lines = [uploadedTo('demo', 'master', 7), uploadedTo('other'), uploadedTo('demo', 'master', 8)].map((event) =>
      JSON.stringify(event),
    );
    writeFileSync(file, [lines[0], 'rubbish', ...lines.slice(1), ''].join('\n'));
    await deploy({ source: 'replay', replayFile: variable('REPLAY', file), replayPace: 'asap' });
    await waitForStatus(/^replayed · 2 of 3 · 1 unreadable$/);
    const numbers = () => messages().map(({ change }) => (change as { number: number }).number);
    assert.deepEqual(numbers(), [7, 8]);
    const startedAt = Date.now();
    await deploy({ source: 'replay', server: '', replayFile: file, replayPace: '250' });
    await waitForStatus(/^replaying · \d of \d/);
    await waitForStatus(/^replayed · 2 of 3/);
    assert.ok(Date.now() - startedAt >= 490, 'two pauses of 250 ms');
    await deploy({ source: 'replay', server: '', replayFile: join(dir, 'nowhere'), replayPace: 'asap' });
    await waitForStatus(/^The recorded stream .*nowhere/);
    assert.ok(red.logs.some(({ msg }) => /nowhere cannot be read: .*one JSON event per line/.test(msg)));
  });

  test('the button runs the newest open change again, or says why it cannot', async () => {
    const first = await sandbox.uploadSample('good');
    const second = await sandbox.uploadSample('broken');
    await sandbox.uploadPatchset(first, 'good');
    await deploy({}, sandbox.target);
    await waitForStatus(/^connected/);
    const answer = await ask(red, 'POST', `gerrit-events/${id}/run`);
    assert.equal(answer['ok'], true);
    assert.match(String(answer['label']), new RegExp(`^${first},2 “\\w.*”$`));
    await waitFor('its message is sent', () => messages().length === 1);
    const { change, trigger } = messages()[0] as { change: { number: number; patchset: number }; trigger: object };
    assert.deepEqual([change.number, change.patchset], [first, 2]);
    assert.equal((trigger as { reason: string }).reason, 'started in the editor');
    await ask(red, 'POST', `gerrit-events/${id}/run`);
    await waitFor('a second message is sent, which is not a duplicate', () => messages().length === 2);
    const keys = messages().map((message) => (message['trigger'] as { key: string }).key);
    assert.notEqual(keys[0], keys[1]);

    for (const number of [first, second]) await sandbox.abandon(number);
    const noChange = await ask(red, 'POST', `gerrit-events/${id}/run`);
    assert.deepEqual(noChange, {
      ok: false,
      error: "No open change matches this node's projects and branches.",
    });
    const notDeployed = await ask(red, 'POST', 'gerrit-events/not-there/run');
    assert.match(String(notDeployed['error']), /not deployed yet/);
    await deploy({ server: '', source: 'replay', replayFile: join(dir, 'events.jsonl'), replayPace: 'asap' });
    await waitForStatus(/^replayed/);
    assert.deepEqual(await ask(red, 'POST', `gerrit-events/${id}/run`), { ok: false, error: 'choose a Gerrit server' });
  });

  test('a node without a server shows what to do', async () => {
    nodes += 1;
    id = `events${nodes}`;
    await red.deploy(flow(make('gerrit-events', { id, server: '' })));
    await waitForStatus(/^choose a Gerrit server$/);
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
