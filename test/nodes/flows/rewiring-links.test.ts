import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Ci } from '../../support/ci.ts';
import { Tab } from '../../support/flow-builder.ts';

const onHost = { target: 'host', host: 'host' };

describe('links and subflows', { concurrency: true }, () => {
  const far = new Tab('far')
    .add('in', 'link in', { links: ['linked-out'] })
    .exec('there', 'echo ran after the link', onHost)
    .publish()
    .review()
    .line('in', 'there', 'publish', 'review');
  const linked = new Tab('linked')
    .jobs()
    .add('out', 'link out', { mode: 'link', links: ['far-in'] })
    .line('jobs', 'out');
  const called = new Tab('called')
    .jobs()
    .add('call', 'link call', { links: ['called-in'], linkType: 'static', timeout: '30' })
    .exec('after', 'echo ran after the call', onHost)
    .publish()
    .review()
    .line('jobs', 'call', 'after', 'publish', 'review')
    .add('in', 'link in', { links: [] })
    .exec('inside', 'sleep 0.5\necho ran in the call', onHost)
    .add('return', 'link out', { mode: 'return', links: [] })
    .line('in', 'inside', 'return');

  const inner = new Tab('sub', 'sub').exec('work', 'echo "in the subflow: $WHO"', onHost);
  const definition = {
    id: 'sub',
    type: 'subflow',
    name: 'a step of ours',
    in: [{ x: 0, y: 0, wires: [{ id: 'sub-work' }] }],
    out: [{ x: 0, y: 0, wires: [{ id: 'sub-work', port: 0 }] }],
  };
  inner.nodes.unshift(definition);
  const once = new Tab('once').jobs().add('a', 'subflow:sub').publish().review().line('jobs', 'a', 'publish', 'review');
  const twice = new Tab('twice')
    .jobs()
    .fn('left', 'msg.env = { WHO: "left" }; return msg;')
    .add('a', 'subflow:sub')
    .fn('right', 'msg.env = { WHO: "right" }; return msg;')
    .add('b', 'subflow:sub')
    .publish()
    .review()
    .line('jobs', 'left', 'a', 'right', 'b', 'publish', 'review');
  let ci: Ci;
  before(async () => {
    ci = await Ci.start([far, linked, called, inner, once, twice]);
  });
  after(() => ci.close());

  test('a lane continues on another tab through link out and link in', async () => {
    const { results, console } = await ci.verdict(await ci.run(linked));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.match(console, /ran after the link/);
  });

  test('the steps of a link call run, and the lane continues after it', async () => {
    const { results, console } = await ci.verdict(await ci.run(called));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.match(console, /ran in the call[\s\S]*ran after the call/);
  });

  test('a step in a subflow is a step of the build', async () => {
    const { results, console, builds } = await ci.verdict(await ci.run(once));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.match(console, /in the subflow: /);
    assert.deepEqual(
      builds[0]!.steps.map(({ name }) => name),
      ['work', 'publish'],
    );
  });

  test('two instances of a subflow in one lane are two steps', async () => {
    const { results, console, builds } = await ci.verdict(await ci.run(twice));
    assert.deepEqual(results, { unit: 'SUCCESS' });
    assert.match(console, /in the subflow: left[\s\S]*in the subflow: right/);
    const nodes = builds[0]!.steps.filter(({ name }) => name === 'work').map(({ node }) => node);
    assert.deepEqual(nodes, ['twice-a/sub-work', 'twice-b/sub-work']);
  });
});
