import assert from 'node:assert/strict';
import { test } from 'node:test';
import type { BuildEvent } from '../../lib/builds/types.ts';
import type { BuildView } from '../../lib/model/build.ts';
import { Story } from '../../scripts/story.ts';

const build = (job: string): BuildView => ({
  id: job,
  attempt: 1,
  set: { id: 'set', index: 0, count: 2 },
  pipeline: 'check',
  job,
  voting: true,
  env: {},
  guests: {},
  steps: [],
  startedAt: '2026-01-01T00:00:00.000Z',
});
const change = { server: 's', project: 'demo', number: 7, patchset: 1, subject: 'Greet' };
const started = (job: string): BuildEvent => ({
  kind: 'build-started',
  node: 'n',
  label: '7,1',
  build: build(job),
  change,
});
const ended = (job: string): BuildEvent => ({
  kind: 'build-ended',
  node: 'n',
  label: '7,1',
  build: build(job),
  change,
  result: 'SUCCESS',
  duration: 1000,
});
const posted: BuildEvent = {
  kind: 'report',
  node: 'n',
  label: '7,1',
  set: 'set',
  state: { state: 'posted', vote: 'Verified +1', message: 'Build succeeded (check pipeline).\n\n- …', warnings: [] },
};

test('a review that is posted before the last guest is gone is printed after all its jobs', () => {
  const lines: string[] = [];
  const story = new Story(
    (line) => lines.push(line),
    (number) => `http://here/${number}`,
  );
  for (const event of [started('unit'), started('lint'), ended('lint'), posted]) story.take(event);
  assert.equal(story.reported.size, 0);
  story.take(ended('unit'));
  assert.deepEqual([...story.reported], ['7,1']);
  assert.deepEqual(lines, [
    '\nchange 7, patchset 1 on demo: "Greet"',
    '  lint    SUCCESS in 1s',
    '  unit    SUCCESS in 1s',
    'review posted: Verified +1     http://here/7',
    'Build succeeded (check pipeline).',
  ]);
});

test('a review of jobs that have ended is printed at once', () => {
  const lines: string[] = [];
  const story = new Story(
    (line) => lines.push(line),
    () => '',
  );
  for (const event of [started('unit'), ended('unit'), posted]) story.take(event);
  assert.equal(lines.at(-1), 'Build succeeded (check pipeline).');
});
