import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { handMade, run } from '../../support/build-runs.ts';
import { flow, jobs, make, row } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';
import { waitFor } from '../../support/wait.ts';

describe('the runtime', () => {
  let red: TestRed;
  before(async () => {
    red = await startRed();
  });
  after(() => red?.close());

  test('closing it discards all state, and nodes that are deployed later get a new runtime', async () => {
    const lane = flow(...row(jobs(), make('publish-logs'), make('gerrit-review', { silent: true })));
    await red.deploy(lane);
    const slot = { make: () => ({ count: 0 }) };
    const first = red.runtime();
    first.of(slot).count += 1;
    const message = handMade({}, { trigger: { type: 'patchset', key: 'upload', reason: 'patchset 1 was uploaded' } });
    assert.equal((await run(red, message)).result, 'SUCCESS');
    await first.close();
    await red.deploy(lane);
    const second = red.runtime();
    assert.notEqual(second, first);
    assert.equal(second.of(slot).count, 0);
    const ended = red.events.length;
    // Only the closed runtime knew this trigger, so it starts a build again.
    red.send('ci-jobs1', message);
    await waitFor('the build runs again', () => red.events.slice(ended).some(({ kind }) => kind === 'build-ended'));
  });
});
