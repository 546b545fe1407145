import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Ci } from '../../support/ci.ts';
import { Tab } from '../../support/flow-builder.ts';

const onHost = { target: 'host', host: 'host' };
const names = ({ steps }: { steps: { name: string }[] }): string[] => steps.map(({ name }) => name).sort();

describe('branches that join', { concurrency: true }, () => {
  const meets = new Tab('meets')
    .jobs()
    .fn('left', 'msg.env = { LEFT: "1" }; return msg;')
    .fn('right', 'msg.env = { RIGHT: "2" }; return msg;')
    .exec('quick', 'echo quick', onHost)
    .exec('slow', 'sleep 1\necho "slow sees $LEFT$RIGHT"', onHost)
    .publish()
    .review()
    .debug('published')
    .line('jobs', 'left', 'quick', 'publish', 'review')
    .line('jobs', 'right', 'slow', 'publish', 'published');
  // A function that sends later, which cannot be known from its wires.
  const later = (id: string, branches: string): Tab =>
    new Tab(id)
      .jobs()
      .exec('quick', 'echo quick', onHost)
      .fn('later', 'setTimeout(() => node.send(msg), 1500); return null;')
      .publish({ branches })
      .review()
      .line('jobs', 'quick', 'publish', 'review')
      .line('jobs', 'later', 'publish');
  const late = later('late', '');
  const counted = later('counted', '2');
  const held = new Tab('held')
    .jobs()
    .exec('quick', 'echo quick', onHost)
    .delay('wait', 1)
    .exec('slow', 'echo slow ran', onHost)
    .publish()
    .review()
    .line('jobs', 'quick', 'publish', 'review')
    .line('jobs', 'wait', 'slow', 'publish');
  const dropped = new Tab('dropped')
    .jobs()
    .exec('quick', 'echo quick', onHost)
    .switch('never', 'change.branch', 'stable')
    .exec('other', 'echo other ran', onHost)
    .publish()
    .review()
    .line('jobs', 'quick', 'publish', 'review')
    .line('jobs', 'never', 'other', 'publish');
  const fails = new Tab('fails')
    .jobs()
    .exec('broken', 'exit 3', onHost)
    .exec('fine', 'sleep 0.5\necho fine', onHost)
    .publish()
    .review()
    .line('jobs', 'broken', 'publish', 'review')
    .line('jobs', 'fine', 'publish');
  let ci: Ci;
  before(async () => {
    ci = await Ci.start([meets, late, counted, held, dropped, fails]);
  });
  after(() => ci.close());

  test('the build has the steps and the environment of both branches, and publish-logs runs once', async () => {
    const { results, builds, console } = await ci.verdict(await ci.run(meets));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.deepEqual(names(builds[0]!), ['publish', 'quick', 'slow']);
    assert.match(console, /slow sees 12/);
    const published = ci.red.received(meets.idOf('published'));
    assert.equal(published.length, 1);
    const { env, steps } = published[0]!['build'] as { env: Record<string, string>; steps: { name: string }[] };
    assert.deepEqual([env['LEFT'], env['RIGHT']], ['1', '2']);
    assert.deepEqual(names({ steps }), ['publish', 'quick', 'slow']);
  });

  test('a branch that arrives too late is reported with the setting that fixes it, and changes nothing', async () => {
    const { results, builds } = await ci.verdict(await ci.run(late));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.deepEqual(names(builds[0]!), ['publish', 'quick']);
    assert.match(ci.warnings(/after the build was published there/).join(), /Set its field "branches" to the number/);
    assert.equal(ci.warnings(/after the build was published there/).length, 1);
  });

  test('publish-logs waits for as many branches as its setting says', async () => {
    const number = await ci.run(counted);
    const { results, builds } = await ci.verdict(number);
    assert.deepEqual(results, { unit: 'SUCCESS' });
    const publish = builds[0]!.steps.find(({ name }) => name === 'publish')!;
    const waited = Date.parse(publish.startedAt) - builds[0]!.startedAt.getTime();
    assert.ok(waited >= 1500, `publish-logs ran after ${waited} ms`);
  });

  test('publish-logs waits for a branch held by a delay', async () => {
    const { results, builds } = await ci.verdict(await ci.run(held));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.deepEqual(names(builds[0]!), ['publish', 'quick', 'slow']);
  });

  test('a dropped branch does not hold up the other', async () => {
    const { results, builds } = await ci.verdict(await ci.run(dropped));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.deepEqual(names(builds[0]!), ['publish', 'quick']);
  });

  test('if one branch fails, the other completes its step, and the build fails', async () => {
    const { results, vote, builds, console } = await ci.verdict(await ci.run(fails));
    assert.deepEqual([results, vote], [{ unit: 'FAILURE' }, -1]);
    assert.deepEqual(names(builds[0]!), ['broken', 'fine', 'publish']);
    assert.match(console, /^.*fine$/m);
  });
});
