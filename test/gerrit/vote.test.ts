import assert from 'node:assert/strict';
import { test } from 'node:test';
import { voteOf } from '../../lib/gerrit/vote.ts';
import { RESULTS, type Result } from '../../lib/model/result.ts';

const vote = (...builds: (Result | [Result])[]) =>
  voteOf(
    builds.map((build) =>
      Array.isArray(build) ? { result: build[0], voting: false } : { result: build, voting: true },
    ),
  );

test('it is a success if all builds that were not skipped succeeded', () => {
  assert.equal(vote('SUCCESS', 'SUCCESS'), 'success');
  assert.equal(vote('SUCCESS', 'SKIPPED'), 'success');
});

test("the patch's faults are a failure, whatever else happened", () => {
  assert.equal(vote('SUCCESS', 'FAILURE'), 'failure');
  assert.equal(vote('TIMED_OUT', 'NODE_FAILURE'), 'failure');
});

test('an infrastructure fault never votes', () => {
  for (const result of RESULTS.filter((one) => !['SUCCESS', 'FAILURE', 'TIMED_OUT', 'SKIPPED'].includes(one)))
    assert.equal(vote('SUCCESS', result), 'none', result);
});

test('builds that do not vote do not count', () => {
  assert.equal(vote('SUCCESS', ['FAILURE']), 'success');
  assert.equal(vote('FAILURE', ['SUCCESS']), 'failure');
  assert.equal(vote(['SUCCESS']), 'none');
});

test('without builds that count there is no vote', () => {
  assert.equal(vote(), 'none');
  assert.equal(vote('SKIPPED', 'SKIPPED'), 'none');
});
