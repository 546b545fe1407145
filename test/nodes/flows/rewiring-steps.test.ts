import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Ci } from '../../support/ci.ts';
import { Tab } from '../../support/flow-builder.ts';

const onHost = { target: 'host', host: 'host' };
/** Returns jobs, and publish → review; the test wires steps on the SSH server between them. */
const lane = (id: string): Tab => new Tab(id).jobs().publish().review().line('publish', 'review');

describe('core nodes between steps', { concurrency: true }, () => {
  const inserted = lane('inserted').exec('first', 'echo first ran', onHost).line('jobs', 'first', 'publish');
  const env = lane('env')
    .fn('set', 'msg.env = { COLOUR: "dark red", COUNT: 3, "BAD NAME": "x" }; return msg;')
    .exec('show', 'echo "colour=$COLOUR count=$COUNT job=$GERRIT_PROJECT"', onHost)
    .exec('later', 'echo "later: $COLOUR"', onHost)
    .line('jobs', 'set', 'show', 'later', 'publish');
  const result = lane('result')
    .fn('decide', 'msg.result = msg.payload; return msg;')
    .exec('after', 'echo after ran', onHost)
    .line('jobs', 'decide', 'after', 'publish');
  const changedBuild = lane('changedBuild')
    .exec('fail', 'exit 4', onHost)
    .fn('whitewash', 'msg.build.result = "SUCCESS"; msg.build.steps = []; return msg;')
    .line('jobs', 'fail', 'whitewash', 'publish');
  const inline = lane('inline')
    .fn('lint', 'msg.comments = { "a.txt": [{ line: 1, message: "no full stop" }, { line: 2 }] }; return msg;')
    .line('jobs', 'lint', 'publish');
  const routed = lane('routed')
    .switch('docs only', 'change.branch', 'master', 'stable')
    .exec('full', 'echo full test', onHost)
    .exec('short', 'echo short test', onHost)
    .line('jobs', 'docs only', 'full', 'publish')
    .wire('docs only', 'short', 1)
    .line('short', 'publish');
  const delayed = lane('delayed')
    .delay('wait', 1)
    .exec('then', 'echo after the wait', onHost)
    .line('jobs', 'wait', 'then', 'publish');
  const tabs = [inserted, env, result, changedBuild, inline, routed, delayed];
  let ci: Ci;
  before(async () => {
    ci = await Ci.start(tabs);
  });
  after(() => ci.close());

  test('a step is inserted into a lane by wiring, and removed again', async () => {
    const first = await ci.run(inserted);
    await ci.review(first);

    inserted.node('first')['wires'] = [[inserted.idOf('second')], []];
    inserted.exec('second', 'echo second ran\nexit 7', onHost).wire('second', 'publish');
    await ci.deploy(tabs, 'nodes');
    const second = await ci.run(inserted);
    await ci.review(second);

    inserted.remove('second').wire('first', 'publish');
    await ci.deploy(tabs, 'nodes');
    const third = await ci.run(inserted);
    const [one, two, three] = await Promise.all([first, second, third].map((number) => ci.verdict(number)));
    assert.deepEqual([one!.results, one!.vote], [{ unit: 'SUCCESS' }, 1]);
    assert.deepEqual([two!.results, two!.vote], [{ unit: 'FAILURE' }, -1]);
    assert.match(two!.console, /first ran[\s\S]*second ran/);
    assert.deepEqual([three!.results, three!.vote], [{ unit: 'SUCCESS' }, 1]);
    assert.doesNotMatch(three!.console, /second ran/);
  });

  test('msg.env of a function reaches every later script; an invalid name causes a warning', async () => {
    const { results, console } = await ci.verdict(await ci.run(env));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.match(console, /colour=dark red count=3 job=demo/);
    assert.match(console, /later: dark red/);
    assert.equal(ci.warnings(/"BAD NAME", which cannot be an environment variable/).length, 1);
  });

  for (const [wanted, vote] of [
    ['FAILURE', -1],
    ['SKIPPED', 0],
    ['ABORTED', 0],
  ] as const) {
    test(`msg.result ${wanted} skips later steps and is the job's result`, async () => {
      const verdict = await ci.verdict(await ci.run(result, { payload: wanted }));
      assert.deepEqual([verdict.results, verdict.vote], [{ unit: wanted }, vote]);
      assert.doesNotMatch(verdict.console, /after ran/);
    });
  }

  test('an invalid msg.result causes a warning and changes nothing', async () => {
    const verdict = await ci.verdict(await ci.run(result, { payload: 'GREEN' }));
    assert.deepEqual([verdict.results, verdict.vote], [{ unit: 'SUCCESS' }, 1]);
    assert.match(verdict.console, /after ran/);
    assert.equal(ci.warnings(/msg\.result is "GREEN", which a node may not set\. Set FAILURE, /).length, 1);
  });

  test('a changed msg.build is ignored, and the warning names the node that changed it', async () => {
    const verdict = await ci.verdict(await ci.run(changedBuild));
    assert.deepEqual([verdict.results, verdict.vote], [{ unit: 'FAILURE' }, -1]);
    assert.deepEqual(
      verdict.builds[0]!.steps.map(({ name }) => name),
      ['fail', 'publish'],
    );
    assert.equal(ci.warnings(/"whitewash" changed msg\.build, which was ignored/).length, 1);
    assert.equal(ci.warnings(/changed msg\.build/).length, 1, 'no other node is named');
  });

  test('msg.comments become inline comments of the review', async () => {
    const number = await ci.run(inline);
    await ci.verdict(number);
    const posted = ci.change(number).messages.flatMap(({ comments }) => comments ?? []);
    assert.deepEqual(posted, [{ file: 'a.txt', line: 1, message: 'no full stop' }]);
    assert.equal(ci.warnings(/1 inline comments in msg\.comments were left out/).length, 1);
  });

  test('a switch routes a build to one of its outputs', async () => {
    const { results, console } = await ci.verdict(await ci.run(routed));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.match(console, /full test/);
    assert.doesNotMatch(console, /short test/);
  });

  test('a delay delays a build and loses nothing', async () => {
    const { results, console, builds } = await ci.verdict(await ci.run(delayed));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.match(console, /after the wait/);
    const ended = builds[0]!.endedAt!.getTime();
    assert.ok(ended - builds[0]!.startedAt.getTime() >= 1000, 'the build was delayed');
  });
});
