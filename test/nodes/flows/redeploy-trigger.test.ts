import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { Ci } from '../../support/ci.ts';
import { Tab } from '../../support/flow-builder.ts';
import { waitFor } from '../../support/wait.ts';

describe('a deploy while an event is between gerrit-events and ci-jobs', () => {
  const tab = new Tab('all')
    .add('events', 'gerrit-events', {
      source: 'stream',
      server: 'gerrit',
      onPatchset: true,
      projects: [{ match: 'exact', pattern: 'demo' }],
      branches: [],
    })
    // It still holds its message when the deploy starts, and sends it to a ci-jobs that is closed by then.
    .fn('slow', 'node.status({text: `has ${msg.change.number}`});\nsetTimeout(() => node.send(msg), 300);')
    .jobs()
    .publish()
    .review()
    .line('events', 'slow', 'jobs', 'publish', 'review');
  let ci: Ci;
  before(async () => {
    ci = await Ci.start([tab]);
  });
  after(() => ci.close());

  test('starts its build once', async () => {
    const has = (number: number) => ci.red.status(tab.idOf('slow')) === `has ${number}`;
    await waitFor(
      'the event stream is connected',
      () => ci.red.status(tab.idOf('events')).startsWith('connected'),
      10_000,
    );
    const before = await ci.upload();
    await waitFor('the function holds the event', () => has(before.number));
    await ci.deploy([tab]);
    assert.deepEqual((await ci.verdict(before.number)).results, { unit: 'SUCCESS' });
    // An event that had arrived before the deploy does not start a second build.
    const next = await ci.upload();
    await ci.build(next.number);
    await ci.deploy([tab]);
    assert.deepEqual((await ci.verdict(next.number)).results, { unit: 'SUCCESS' });
    await waitFor('the event is sent again', () => has(next.number));
    for (const { number } of [before, next]) {
      assert.equal(ci.builds(number).length, 1, `builds of ${number}`);
      assert.equal(ci.reviews(number).length, 1, `reviews of ${number}`);
    }
  });
});
