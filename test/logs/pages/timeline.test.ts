import assert from 'node:assert/strict';
import { test } from 'node:test';
import { timeline } from '../../../lib/logs/pages/timeline.ts';
import { step } from '../help.ts';

const START = Date.parse('2026-11-22T15:57:00.000Z');
const at = (seconds: number): string => new Date(START + seconds * 1000).toISOString();

test('each step is as wide as its duration, gaps are waiting, and parallel steps are below each other', () => {
  const steps = [
    step({ type: 'clone-image', name: 'clone', startedAt: at(20), duration: 10_000 }),
    step({ name: 'one', startedAt: at(30), duration: 60_000, result: 'FAILURE', line: 7 }),
    step({ name: 'two', startedAt: at(30), duration: 30_000 }),
    step({ type: 'publish-logs', name: 'logs', startedAt: at(90), duration: 10_000 }),
  ];
  const { text } = timeline(START, START + 100_000, steps);
  assert.match(text, /class="waiting" style="left:0%;width:20%;top:0px"/);
  assert.match(text, /class="clone" style="left:20%;width:10%;top:0px"/);
  assert.match(
    text,
    /class="steps failed" style="left:30%;width:60%;top:0px" title="one: 1m 00s" href="console\.html#L7"/,
  );
  assert.match(text, /class="steps" style="left:30%;width:30%;top:30px"/);
  assert.match(text, /class="logs" style="left:90%;width:10%;top:0px"/);
  assert.match(text, /total <b>1m 40s<\/b>/);
});

test('a running step extends to the present', () => {
  const { text } = timeline(START, START + 10_000, [step({ startedAt: at(0), duration: 5000 })], 'lint');
  assert.match(text, /class="running" style="left:50%;width:50%;top:0px" title="lint: 5\.0 s"/);
});

test('a build without duration and steps has a timeline', () => {
  assert.match(timeline(START, START, []).text, /class="timeline"/);
});
