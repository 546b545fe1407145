import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { Ci, processesOf } from '../../support/ci.ts';
import { Tab } from '../../support/flow-builder.ts';
import { waitFor } from '../../support/wait.ts';

/** Returns a lane whose script would run for a minute. */
const lane = (id: string): Tab =>
  new Tab(id)
    .jobs()
    .guest()
    .exec('work', 'echo begun\nsleep 60\necho never')
    .exec('next', 'echo never')
    .publish()
    .review()
    .line('jobs', 'clone')
    .line('boot', 'work', 'next', 'publish', 'review');

describe('builds that are aborted', { concurrency: true }, () => {
  const button = lane('button');
  const kill = lane('kill');
  const killOne = lane('killOne');
  const newer = lane('newer');
  newer.node('work')['script'] = '[ "$GERRIT_PATCHSET_NUMBER" = 2 ] || sleep 60';
  const waiting = lane('waiting').delay('wait', 12).line('work', 'wait', 'next');
  waiting.node('work')['script'] = 'echo begun';
  waiting.node('work')['wires'] = [[waiting.idOf('wait')], []];
  const dir = mkdtempSync(join(tmpdir(), 'recheck-replay-'));
  const file = join(dir, 'events.jsonl');
  writeFileSync(file, '');
  const twice = new Tab('twice')
    .add('events', 'gerrit-events', {
      source: 'replay',
      server: 'gerrit',
      onPatchset: true,
      onRecheck: true,
      projects: [{ match: 'exact', pattern: 'demo' }],
      branches: [],
      replayFile: file,
      replayPace: 'asap',
    })
    .jobs()
    .publish()
    .review()
    .line('events', 'jobs', 'publish', 'review');
  const tabs = [button, kill, killOne, newer, waiting, twice];
  let ci: Ci;
  before(async () => {
    ci = await Ci.start(tabs, { slots: '20' });
  });
  after(async () => {
    await ci.nothingHeld();
    await ci.close();
    rmSync(dir, { recursive: true });
  });

  const waitForScript = (number: number) =>
    waitFor(
      'the build’s script runs',
      () => ci.builds(number).at(-1)?.running.values().next().value?.name === 'work',
      20_000,
    );
  const checkAborted = async (number: number, since: number): Promise<void> => {
    const { results, vote, console, builds } = await ci.verdict(number);
    assert.deepEqual([results, vote], [{ unit: 'ABORTED' }, 0]);
    assert.match(console, /The build was aborted: /);
    assert.doesNotMatch(console, /never/);
    const took = builds[0]!.endedAt!.getTime() - since;
    assert.ok(took < 40_000, `the build ended ${took} ms after the abort`);
  };

  test('the button of ci-jobs ends its builds as ABORTED, without a vote, and nothing is left behind', async () => {
    const number = await ci.run(button);
    await waitForScript(number);
    assert.notDeepEqual(processesOf(ci.builds(number)[0]!.id), [], 'the guest has processes');
    const at = Date.now();
    const answer = await fetch(`${ci.red.url}/recheck/ci-jobs/${button.idOf('jobs')}/abort`, { method: 'POST' });
    assert.deepEqual([answer.status, await answer.json()], [200, { ok: true }]);
    await checkAborted(number, at);
  });

  test('msg.kill ends all builds of the node', async () => {
    const number = await ci.run(kill);
    await waitForScript(number);
    const at = Date.now();
    ci.red.send(kill.idOf('jobs'), { kill: true });
    await checkAborted(number, at);
  });

  test("msg.kill with a build's id ends only that build", async () => {
    const [one, other] = [await ci.run(killOne), await ci.run(killOne)];
    await Promise.all([waitForScript(one), waitForScript(other)]);
    let at = Date.now();
    ci.red.send(killOne.idOf('jobs'), { kill: ci.builds(one)[0]!.id });
    await checkAborted(one, at);
    assert.equal(ci.builds(other)[0]!.endedAt, undefined, 'the other build continues');
    at = Date.now();
    ci.red.send(killOne.idOf('jobs'), { kill: ci.builds(other)[0]!.id });
    await checkAborted(other, at);
  });

  test('a build that waits in a delay ends immediately too, and its guest is destroyed', async () => {
    const number = await ci.run(waiting);
    await waitFor('the delay holds the build', () => ci.builds(number)[0]!.inFlight.has(waiting.idOf('work')), 20_000);
    const at = Date.now();
    ci.red.send(waiting.idOf('jobs'), { kill: true });
    await checkAborted(number, at);
  });

  test('a new patchset ends the build of the older one, and only the new one is reported', async () => {
    const number = await ci.run(newer);
    await waitForScript(number);
    await ci.upload(number);
    ci.again(newer, number);
    await waitFor('the second build starts', () => ci.builds(number).length === 2);
    const { builds, results, vote } = await ci.verdict(number);
    assert.deepEqual(
      builds.map(({ result }) => result),
      ['ABORTED', undefined],
    );
    assert.deepEqual([results, vote], [{ unit: 'SUCCESS' }, 1]);
    const posted = ci.change(number).messages.filter(({ author }) => author === 'my-ci');
    assert.deepEqual(
      posted.map(({ patchset }) => patchset),
      [2],
    );
  });

  test('a repeated event does not start a second build', async () => {
    const { number, project, branch, subject, id, patchsets } = await ci.upload();
    const [patchset] = patchsets;
    const account = { name: 'Ann', username: 'ann' };
    const event = JSON.stringify({
      type: 'patchset-created',
      change: { project, branch, id, number, subject, owner: account, status: 'NEW', url: 'http://localhost/1' },
      patchSet: { number: 1, revision: patchset!.revision, ref: patchset!.ref, uploader: account, kind: 'REWORK' },
      uploader: account,
      eventCreatedOn: 1,
    });
    writeFileSync(file, `${event}\n${event}\n`);
    // The node reads the file when it is deployed with a change.
    twice.node('events')['name'] = 'once';
    await ci.deploy(tabs, 'nodes');
    await ci.review(number);
    twice.node('events')['name'] = 'again';
    await ci.deploy(tabs, 'nodes');
    await waitFor('the file is read again', () => ci.red.statuses.some(({ text }) => text === 'replayed · 4 of 4'));
    const { results, builds } = await ci.verdict(number);
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.equal(builds.length, 1);
  });
});
