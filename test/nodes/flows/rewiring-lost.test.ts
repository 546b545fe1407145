import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Ci } from '../../support/ci.ts';
import { Tab } from '../../support/flow-builder.ts';
import { waitFor } from '../../support/wait.ts';

/** Returns jobs → a guest → work, and publish → review; the test wires its own nodes between them. */
const lane = (id: string, script = 'echo ran'): Tab =>
  new Tab(id)
    .jobs()
    .guest()
    .exec('work', script)
    .publish()
    .review()
    .line('jobs', 'clone')
    .line('boot', 'work')
    .line('publish', 'review');

describe('lost messages', { concurrency: true }, () => {
  const unmatched = lane('unmatched')
    .switch('stable only', 'change.branch', 'stable')
    .line('work', 'stable only', 'publish');
  const swallowed = lane('swallowed').fn('swallow', 'return null;').line('work', 'swallow', 'publish');
  const bare = lane('bare').fn('bare', 'return { payload: 1 };').line('work', 'bare', 'publish');
  const thrown = lane('thrown').fn('thrower', 'throw new Error("a bug");').line('work', 'thrower', 'publish');
  const unwired = lane('unwired').exec('end', 'echo end').line('work', 'end');
  const elsewhere = lane('elsewhere')
    .switch('where', 'change.branch', 'stable', 'master')
    .line('work', 'where', 'publish');
  const running = lane('running', 'touch started\nsleep 8\necho it went on');
  running.line('work', 'publish');
  const next = lane('next', 'touch started\nsleep 8\necho it went on').exec('after', 'echo never');
  next.line('work', 'after', 'publish');
  const start = lane('start', 'touch started\nsleep 8\necho it went on');
  start.line('work', 'publish');
  const everything = lane('everything', 'touch started\nsleep 8');
  everything.line('work', 'publish');
  const others = [unmatched, swallowed, bare, thrown, unwired, elsewhere];
  let ci: Ci;
  before(async () => {
    ci = await Ci.start([...others, running, next, start, everything], { slots: '20' });
  });
  after(async () => {
    await ci.nothingHeld();
    await ci.close();
  });

  const testLostAfter = (tab: Tab, node: string) =>
    test(`a message lost after "${node}" ends the build as ERROR without a vote, and the log names the node`, async () => {
      const { results, vote, console, builds } = await ci.verdict(await ci.run(tab));
      assert.deepEqual([results, vote], [{ unit: 'ERROR' }, 0]);
      assert.match(console, /ran/);
      assert.match(console, new RegExp(`lost after "${node}"`));
      assert.deepEqual(builds[0]!.steps.at(-1)!.name, 'publish');
    });
  testLostAfter(unmatched, 'stable only');
  testLostAfter(swallowed, 'swallow');
  testLostAfter(bare, 'bare');
  testLostAfter(thrown, 'thrower');
  testLostAfter(elsewhere, 'where');

  test('an unwired output in a lane without publish-logs is shown by ci-jobs, and the guest is destroyed', async () => {
    const number = await ci.run(unwired);
    await ci.over(number);
    assert.deepEqual(ci.reviews(number), []);
    assert.equal(ci.warnings(/lost after "end": a node dropped it, or its output is not wired/).length, 1);
    const statuses = ci.red.statuses.filter(({ id }) => id === unwired.idOf('jobs')).map(({ text }) => text);
    assert.ok(
      statuses.some((text) => /lost/.test(text)),
      statuses.join('; '),
    );
  });

  test('a node deleted during a build is reported once, and the build’s resources are released', async () => {
    const [one, two, three, four] = await Promise.all([running, next, start, everything].map((tab) => ci.run(tab)));
    for (const number of [one!, two!, three!, four!]) {
      await waitFor(
        'the build’s script runs',
        () => ci.builds(number)[0]!.running.values().next().value?.name === 'work',
      );
    }
    running.remove('work'); // the running step
    next.remove('after'); // the next step
    start.remove('jobs'); // the node that started the build
    await ci.deploy([...others, running, next, start], 'nodes'); // without the tab `everything`
    const withoutRunning = await ci.verdict(one!);
    assert.deepEqual([withoutRunning.results, withoutRunning.vote], [{ unit: 'ERROR' }, 0]);
    assert.match(withoutRunning.console, /it went on[\s\S]*lost after "work"/);
    const withoutNext = await ci.verdict(two!);
    assert.deepEqual([withoutNext.results, withoutNext.vote], [{ unit: 'ERROR' }, 0]);
    assert.match(withoutNext.console, /it went on[\s\S]*lost after "work"/);
    const withoutStart = await ci.verdict(three!);
    assert.deepEqual([withoutStart.results, withoutStart.vote], [{ unit: 'SUCCESS' }, 1], 'its lane is still complete');
    await ci.over(four!);
    assert.deepEqual(ci.reviews(four!), [], 'no node is left to report it');
  });
});
