import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Build } from '../../../lib/builds/build.ts';
import { BuildSet } from '../../../lib/builds/buildset.ts';
import { Watchdog } from '../../../lib/builds/flow/watchdog.ts';
import { FakeFlow, request } from '../../support/fake-flow.ts';

test('a build that has sent nothing yet, because its log opens slowly, does not count as lost', () => {
  const flow = new FakeFlow([{ id: 'jobs', type: 'ci-jobs', wires: [[]] }]);
  const asked = request(['unit']);
  const set = new BuildSet<Build>(asked);
  const build = new Build('0123abcd', 1, set, 0, asked.jobs[0]!);
  set.builds.push(build);
  build.isStarted = true;
  const ended: Build[] = [];
  const watchdog = new Watchdog(flow, () => [build], {
    end: async (each) => {
      ended.push(each);
    },
    report: () => true,
    forget: () => {},
  });
  const minuteAgo = Date.now() - 60_000;
  build.tracker.movedAt = minuteAgo;
  watchdog.check(set);
  assert.deepEqual([ended.length, flow.warnings()], [0, []]);
  // It does once its message was sent to a dead end.
  build.inFlight.set('jobs', { port: 0, message: {} });
  build.tracker.movedAt = minuteAgo;
  watchdog.check(set);
  watchdog.stop();
  assert.deepEqual(ended, [build]);
  assert.match(flow.warnings().join(), /lost/);
});
