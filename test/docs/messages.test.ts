/** Compares docs/messages.md with what the nodes send in a real Node-RED. */
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import type { SandboxGerrit } from '../../lib/sandbox/gerrit.ts';
import { NODES } from '../../scripts/messages/nodes.ts';
import { BUILD, CHANGE, TRIGGER } from '../../scripts/messages/objects.ts';
import { MESSAGES_PAGE, renderMessages } from '../../scripts/messages.ts';
import { handMade } from '../support/build-runs.ts';
import { sharedNodes, Tab } from '../support/flow-builder.ts';
import { assertShape, documentedOutput } from '../support/message-shape.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';

type Json = Record<string, unknown>;

/** Nodes of a lane, in order, by the name that `observed` gives them. */
const LANE = ['jobs', 'clone', 'metadata', 'boot', 'exec', 'publish', 'review'];

/** Puts a debug node on each output. */
function observed(tab: Tab, names: string[]): Tab {
  for (const name of names) tab.debug(`out-${name}`).wire(name, `out-${name}`);
  return tab;
}

const lane = (id: string, script: string): Tab =>
  observed(
    new Tab(id)
      .jobs()
      .guest()
      .exec('exec', script)
      .publish({ files: [{ guest: '', path: 'nothing.log', dir: '' }] })
      .review({ silent: true })
      .line('jobs', 'clone')
      .line('boot', 'exec', 'publish', 'review'),
    LANE,
  );

describe('what nodes send is what docs/messages.md says', () => {
  let red: TestRed;
  let gerrit: SandboxGerrit;
  const passes = lane('passes', 'echo one\necho two').add('events', 'gerrit-events', { server: 'gerrit' });
  observed(passes.wire('events', 'jobs'), ['events']).debug('lines').wire('exec', 'lines', 1);
  const fails = lane('fails', 'exit 3');
  const killed = lane('killed', 'kill -9 $$');
  const two = observed(
    new Tab('two')
      .jobs()
      .add('other', 'clone-image', { image: 'image', hosts: ['worker'], guest: 'other', wait: '5' })
      .guest()
      .exec('exec', 'echo one')
      .publish()
      .review({ silent: true })
      .line('jobs', 'other', 'clone')
      .line('boot', 'exec', 'publish', 'review'),
    LANE,
  );
  const typeOf = (name: string) => passes.node(name).type;
  const out = (tab: Tab, name: string, number: number): Promise<Json> =>
    waitFor(`a message of ${name}`, () =>
      red.received(tab.idOf(`out-${name}`)).find(({ change }) => (change as Json)['number'] === number),
    );
  const startByHand = (tab: Tab): number => {
    const message = handMade({ server: 'gerrit' });
    red.send(tab.idOf('jobs'), message);
    return message.change!.number!;
  };

  before(async () => {
    red = await startRed();
    const started = red.sandbox();
    await red.deploy([...sharedNodes(), ...[passes, fails, killed, two].flatMap(({ nodes }) => nodes)]);
    gerrit = await started;
    await waitFor('gerrit-events is connected', () => red.status(passes.idOf('events')).startsWith('connected'));
  });
  after(() => red?.close());

  /** Checks the message on every output of a build's lane, in order. */
  async function checkLane(tab: Tab, number: number, received: Json): Promise<Json> {
    let before = received;
    for (const name of LANE) {
      const message = await out(tab, name, number);
      assertShape(`${tab.id}: ${typeOf(name)}`, message, documentedOutput(typeOf(name)), before);
      assertShape(`${tab.id}: ${name}'s build`, { build: message['build'] }, BUILD);
      assertShape(`${tab.id}: ${name}'s change`, { change: message['change'] }, CHANGE);
      before = message;
    }
    return before;
  }

  test('an event of Gerrit becomes a message, and each node sends on what is documented', async () => {
    const { number } = await gerrit.upload({ message: 'A change\n', files: { 'a.txt': 'a\n' } });
    const event = await out(passes, 'events', number);
    assertShape('gerrit-events', event, documentedOutput('gerrit-events'));
    assertShape('the trigger', { trigger: event['trigger'] }, TRIGGER);
    const { build } = (await checkLane(passes, number, event)) as { build: { id: string } };
    const lines = red.received(passes.idOf('lines')).filter(({ buildId }) => buildId === build.id);
    for (const message of lines) assertShape('ssh-exec, output 2', message, documentedOutput('ssh-exec', 1));
    assert.deepEqual(
      lines.flatMap(({ payload }) => payload),
      ['one', 'two'],
    );
  });

  for (const [tab, what] of [
    [fails, 'a script that fails'],
    [killed, 'a script that a signal ends'],
    [two, 'a build with two guests'],
  ] as const) {
    test(`${what}: the same holds`, async () => {
      await checkLane(tab, startByHand(tab), { patchset: 1 });
    });
  }

  test('the optional properties are sent when their time comes', async () => {
    const last = async (tab: Tab, name: string) => {
      const found = await waitFor(`a message of ${name}`, () => red.received(tab.idOf(`out-${name}`)).at(-1));
      return found as { payload: Json; build: Json & { steps: Json[] } };
    };
    assert.equal((await last(fails, 'exec')).payload['exitCode'], 3);
    assert.equal((await last(killed, 'exec')).payload['signal'], 'KILL');
    const { payload } = await last(two, 'exec');
    assert.deepEqual((payload['guests'] as Json[]).map(({ guest }) => guest).sort(), ['other', 'vm']);
    const { build } = await last(fails, 'review');
    const failed = build.steps.find(({ name }) => name === 'exec')!;
    for (const key of ['exitCode', 'message', 'line', 'tail']) assert.ok(key in failed, `steps[].${key}`);
    assert.equal(build['result'], 'FAILURE');
    assert.ok(build['logUrl']);
  });

  test('the page is up to date', () => {
    assert.equal(readFileSync(join(import.meta.dirname, '..', '..', MESSAGES_PAGE), 'utf8'), renderMessages());
  });

  test('every node of the palette that handles messages is documented', () => {
    assert.deepEqual(
      NODES.map(({ type }) => type),
      ['gerrit-events', ...LANE.map(typeOf)],
    );
  });
});
