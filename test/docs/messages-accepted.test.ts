/** Compares docs/messages.md with what the nodes accept in a real Node-RED. */
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import type { BuildEvent, Message } from '../../lib/builds/types.ts';
import type { BuildView } from '../../lib/model/build.ts';
import { NODES } from '../../scripts/messages/nodes.ts';
import { handMade } from '../support/build-runs.ts';
import { sharedNodes, Tab } from '../support/flow-builder.ts';
import { startRed, type TestRed } from '../support/red.ts';
import { waitFor } from '../support/wait.ts';

/** Nodes of a lane, in order. */
const LANE = ['jobs', 'clone', 'metadata', 'boot', 'exec', 'publish', 'review'];

const typeOf = (name: string): string => plain.node(name).type;

/** A lane in which a function node stands before one of the nodes, and a debug node after it. */
function lane(id: string, before: string | undefined, func: string, script = 'env'): Tab {
  const tab = new Tab(id).jobs().guest().exec('exec', script).publish().review({ silent: true }).fn('mine', func);
  for (const node of tab.nodes)
    if (Array.isArray(node['wires'])) node['wires'] = node.type === 'ssh-exec' ? [[], []] : [[]];
  const line = before === undefined ? LANE : LANE.flatMap((name) => (name === before ? ['mine', name] : [name]));
  tab.line(...line);
  return before === undefined ? tab : tab.debug('after').wire(before, 'after');
}

const plain = lane('plain', undefined, '');
const slow = lane('slow', undefined, '', 'sleep 60');
const STEPS = LANE.slice(1);
const ADDS =
  'msg.env = {MINE: "yes", COUNT: 3, ON: true}; msg.comments = {"a.txt": [{line: 1, message: "m"}]}; return msg;';
const adding = new Map(STEPS.map((name) => [name, lane(`adds-${name}`, name, ADDS)]));
const ending = new Map(STEPS.map((name) => [name, lane(`ends-${name}`, name, 'msg.result = "SKIPPED"; return msg;')]));
const GATHERING = ['publish', 'review'];
const caught = new Map(
  GATHERING.map((name) => [name, lane(`caught-${name}`, name, 'msg.error = {message: "a"}; return msg;')]),
);
const edited = lane('edited', 'exec', 'msg.build.job = "other"; return msg;');

describe('what nodes accept is what docs/messages.md says', () => {
  let red: TestRed;

  const start = (tab: Tab, message: object): void => red.send(tab.idOf('jobs'), message);
  const ended = (number: unknown, after = 0): Promise<BuildView> =>
    waitFor(`the build of ${number} ends`, () => {
      const found = (event: BuildEvent) => event.kind === 'build-ended' && event.change?.number === number;
      return red.events.slice(after).find(found)?.build;
    });
  const started = (number: unknown) =>
    waitFor(`the build of ${number} starts`, () =>
      red.events.find((event) => event.kind === 'build-started' && event.change?.number === number),
    );
  const outcome = async (message: Message): Promise<BuildView> => {
    start(plain, message);
    return ended(message.change!.number);
  };
  /** Starts a build and returns the message that left the node after the function node. */
  const sentAfter = async (tab: Tab): Promise<Message> => {
    start(tab, handMade({ server: 'gerrit' }));
    return (await waitFor(`a message of ${tab.id}`, () => red.received(tab.idOf('after'))[0], 120_000)) as Message;
  };

  before(async () => {
    red = await startRed();
    const tabs = [plain, slow, edited, ...adding.values(), ...ending.values(), ...caught.values()];
    await red.deploy([...sharedNodes(), ...tabs.flatMap(({ nodes }) => nodes)]);
  });
  after(() => red?.close());

  const documented = (type: string): string[] =>
    NODES.find((node) => node.type === type)!.inputs.map(({ name }) => name);

  /** What shows that ci-jobs reads a property. */
  const probes: Record<string, () => Promise<void>> = {
    async change() {
      start(plain, { change: { number: 4321 }, patchset: 1 });
      const refused = ({ id, fill }: { id: string; fill?: string }) => id === plain.idOf('jobs') && fill === 'red';
      await waitFor('a change without a project is refused', () => red.statuses.some(refused));
      assert.equal((await outcome(handMade())).job, 'unit');
    },
    async patchset() {
      const plainNumber = handMade({}, { patchset: 4 });
      assert.equal((await outcome(plainNumber)).env['GERRIT_PATCHSET_NUMBER'], '4');
      const object = handMade({}, { patchset: { number: 5, ref: 'refs/heads/mine', revision: 'abc' } });
      const { env } = await outcome(object);
      assert.equal(env['GERRIT_REF'], 'refs/heads/mine');
      assert.equal(env['GERRIT_PATCHSET_REVISION'], 'abc');
      assert.equal(
        (await outcome(handMade({ patchset: 6 }, { patchset: undefined }))).env['GERRIT_PATCHSET_NUMBER'],
        '6',
      );
    },
    async trigger() {
      const message = handMade({}, { trigger: { type: 'patchset', key: 'the-key', reason: 'a test' } });
      await outcome(message);
      const before = red.events.filter(({ kind }) => kind === 'build-started').length;
      start(plain, message);
      await waitFor('the duplicate is noticed', () => /duplicate|seen before/.test(red.status(plain.idOf('jobs'))));
      assert.equal(red.events.filter(({ kind }) => kind === 'build-started').length, before);
    },
    async payload() {
      const event = { type: 'ref-updated', refUpdate: { newRev: 'def' } };
      const { env } = await outcome(handMade({}, { payload: event }));
      assert.equal(env['GERRIT_EVENT_TYPE'], 'ref-updated');
      assert.equal(env['GERRIT_REFUPD_NEW'], 'def');
    },
    async kill() {
      const [one, other] = [handMade(), handMade()];
      start(slow, one);
      start(slow, other);
      const first = await started(one.change!.number);
      await started(other.change!.number);
      start(slow, { kill: first.build!.id });
      assert.equal((await ended(one.change!.number)).result, 'ABORTED');
      start(slow, { kill: true });
      assert.equal((await ended(other.change!.number)).result, 'ABORTED');
    },
  };

  test('each documented input of ci-jobs is tried here', () => {
    assert.deepEqual(documented('ci-jobs'), Object.keys(probes));
    assert.deepEqual(documented('gerrit-events'), []);
  });

  for (const [name, probe] of Object.entries(probes)) test(`ci-jobs reads msg.${name}`, probe);

  for (const name of STEPS) {
    test(`${typeOf(name)} takes msg.env, msg.comments and msg.result`, async () => {
      const error = GATHERING.includes(name) ? ['error'] : [];
      assert.deepEqual(documented(typeOf(name)), ['build', 'env', 'result', 'comments', ...error]);
      const added = await sentAfter(adding.get(name)!);
      for (const [key, value] of Object.entries({ MINE: 'yes', COUNT: '3', ON: 'true' })) {
        assert.equal(added.build!.env[key], value);
      }
      const skipped = await sentAfter(ending.get(name)!);
      for (const taken of ['env', 'result', 'comments']) {
        assert.equal(added[taken], undefined, `${taken} is taken from the message`);
        assert.equal(skipped[taken], undefined, `${taken} is taken from the message`);
      }
      assert.equal(skipped.build!.result, name === 'review' ? undefined : 'SKIPPED');
    });
  }

  for (const [name, tab] of caught) {
    // The build of the lane has ended before gerrit-review, and its result is final.
    const result = name === 'publish' ? 'ERROR' : undefined;
    test(`if only a Catch node sends a message to ${typeOf(name)}, the result is ${result ?? 'kept'}`, async () => {
      assert.equal((await sentAfter(tab)).build!.result, result);
    });
  }

  test('a result set after publish-logs causes a warning, and so does a change made to msg.build', async () => {
    const warning = (tab: Tab, name: string) => red.event('warning', ({ node }) => node === tab.idOf(name));
    await warning(ending.get('review')!, 'review');
    start(edited, handMade());
    await warning(edited, 'exec');
  });
});
