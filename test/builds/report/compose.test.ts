import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Build } from '../../../lib/builds/build.ts';
import { BuildSet } from '../../../lib/builds/buildset.ts';
import { composeReview } from '../../../lib/builds/report/compose.ts';
import type { ReviewSettings } from '../../../lib/builds/review-settings.ts';
import { request } from '../../support/fake-flow.ts';

const settings: ReviewSettings = {
  node: 'review',
  label: 'Verified',
  success: 1,
  failure: -1,
  vote: true,
  silent: false,
  templates: {},
  tag: '',
};

test('if a template is invalid the report uses the default text', () => {
  const asked = request(['unit']);
  const set = new BuildSet<Build>(asked);
  const build = new Build('1', 1, set, 0, asked.jobs[0]!);
  set.builds.push(build);
  const whole = composeReview(set, [build], settings, 'my-ci');
  assert.equal(whole?.trouble, undefined);
  const broken = { ...settings, templates: { header: 'Build {{#status}}' } };
  const entry = composeReview(set, [build], broken, 'my-ci');
  assert.match(entry?.review.message ?? '', /^Build succeeded \(check pipeline\)\.\n\n- unit /);
  assert.deepEqual(entry?.review.labels, { Verified: 1 });
  assert.match(entry?.trouble ?? '', /template cannot be parsed/);
});
