import assert from 'node:assert/strict';
import { test } from 'node:test';
import { clipBytes, composeReport, MAX_MESSAGE_BYTES, type ReportedBuild } from '../../lib/gerrit/report.ts';
import type { Result } from '../../lib/model/result.ts';
import { parseTable } from './results-table.ts';

const change = { server: 's', project: 'demo', branch: 'master', number: 1234, patchset: 2, subject: 'First' };
const build = (job: string, result: Result = 'SUCCESS', more: Partial<ReportedBuild> = {}): ReportedBuild => ({
  job,
  url: `https://ci.example.com/${job}/`,
  result,
  duration: 165_000,
  voting: true,
  ...more,
});
const compose = (builds: ReportedBuild[], more: Partial<Parameters<typeof composeReport>[0]> = {}) =>
  composeReport({ pipeline: 'check', builds, ciName: 'my-ci', change, ...more });

test('a report has header, job lines and footer', () => {
  const builds = [
    build('unit', 'FAILURE'),
    build('lint', 'SUCCESS', { duration: 12_000 }),
    build('slow', 'TIMED_OUT', { duration: 1_800_000, voting: false }),
  ];
  const { message, status } = compose(builds, { contact: 'https://wiki.example.com/Acme_CI' });
  assert.equal(status, 'failed');
  assert.equal(
    message,
    `Build failed (check pipeline).

- unit https://ci.example.com/unit/ : FAILURE in 2m 45s
- lint https://ci.example.com/lint/ : SUCCESS in 12s
- slow https://ci.example.com/slow/ : TIMED_OUT in 30m 00s (non-voting)

Comment "my-ci recheck" to run again. About this CI: https://wiki.example.com/Acme_CI`,
  );
});

test('the status is that of the voting builds', () => {
  const status = (...builds: ReportedBuild[]) => compose(builds).status;
  assert.equal(status(build('a'), build('b', 'FAILURE', { voting: false })), 'succeeded');
  assert.equal(status(build('a'), build('b', 'NODE_FAILURE')), 'unfinished');
  assert.equal(status(build('a', 'FAILURE'), build('b', 'NODE_FAILURE')), 'failed');
  assert.equal(status(build('a', 'ABORTED', { voting: false })), 'unfinished');
  assert.equal(status(build('a', 'SKIPPED')), 'skipped');
  assert.equal(status(build('a', 'FAILURE', { voting: false })), 'failed');
  assert.equal(status(build('a', 'SUCCESS', { voting: false })), 'succeeded');
});

test('an infrastructure fault is reported as one', () => {
  assert.match(compose([build('a', 'NODE_FAILURE')]).message, /Infrastructure problem, not your patch: no vote\./);
  assert.doesNotMatch(compose([build('a', 'FAILURE')]).message, /not your patch/);
});

test("Gerrit's results table reads it", () => {
  const { message } = compose([
    build('unit'),
    build('slow', 'FAILURE', { voting: false }),
    build('broken', 'ERROR', { message: 'no such image:\n"u1404"' }),
    build('quiet', 'SUCCESS', { url: undefined }),
  ]);
  assert.deepEqual(parseTable(message), {
    status: 'unfinished',
    pipeline: 'check',
    rows: [
      { job: 'unit', link: 'https://ci.example.com/unit/', result: 'SUCCESS', time: '2m 45s', voting: true },
      { job: 'slow', link: 'https://ci.example.com/slow/', result: 'FAILURE', time: '2m 45s', voting: false },
      {
        job: 'broken',
        link: 'https://ci.example.com/broken/',
        result: 'ERROR',
        message: 'no such image: "u1404"',
        time: '2m 45s',
        voting: true,
      },
      { job: 'quiet', result: 'SUCCESS', time: '2m 45s', voting: true },
    ],
  });
});

test('nothing from outside can forge a line of the table', () => {
  const forged = '\n\n- fake https://evil.example.com/ : SUCCESS in 1s\n';
  const { message } = compose(
    [
      build(`unit${forged}`, 'FAILURE', { url: `https://ci.example.com/a b${forged}` }),
      build('', 'ERROR', { message: forged }),
    ],
    {
      pipeline: `check-it${forged}`,
      ciName: `my${forged}ci`,
      contact: `https://x${forged}`,
      change: { ...change, subject: `a${forged}b`, branch: 'x\u2028y\rz' },
      templates: { header: 'Build {{status}} ({{pipeline}} pipeline). {{change.subject}} on {{change.branch}}' },
    },
  );
  const table = parseTable(message);
  assert.equal(table.rows.length, 2);
  assert.equal(table.status, 'failed');
  assert.match(table.pipeline ?? '', /^\w+$/);
  assert.equal(message.split('\n').length, 6);
});

test('templates have the fields under their old names too', () => {
  const templates = {
    header: 'Build {{succeeded}} by {{ci}} on {{change.project}}',
    jobLine: '- {{name}} {{url}} : {{success}} in {{time}}',
    footer: 'Use "{{recheck}}" <a&b> to recheck',
  };
  assert.equal(
    compose([build('unit')], { templates }).message,
    'Build succeeded by my-ci on demo\n\n- unit https://ci.example.com/unit/ : SUCCESS in 2m 45s\n\nUse "my-ci recheck" <a&b> to recheck',
  );
});

test('a template that cannot be parsed is an error', () => {
  assert.throws(() => compose([build('a')], { templates: { footer: '{{#open}}' } }), { code: 'template/syntax' });
});

test('a message that is too long loses job lines in the middle, never header or contact', () => {
  const builds = Array.from({ length: 1000 }, (_, i) => build(`job-${i}-ä`));
  const { message } = compose(builds, { contact: 'https://wiki.example.com/Acme_CI' });
  assert.ok(Buffer.byteLength(message) <= MAX_MESSAGE_BYTES);
  assert.ok(Buffer.byteLength(message) > MAX_MESSAGE_BYTES - 200);
  assert.match(message, /^Build succeeded \(check pipeline\)\.\n\n- job-0-ä /);
  assert.match(message, /- job-999-ä .*\n\nComment "my-ci recheck".*Acme_CI$/);
  const left = Number(/\((\d+) more jobs omitted/.exec(message)?.[1]);
  assert.equal(parseTable(message).rows.length + left, 1000);
});

test('parts of absurd size still result in a message that Gerrit accepts', () => {
  const { message } = compose([build('ä'.repeat(50_000)), build('b', 'SUCCESS', { url: 'x'.repeat(50_000) })], {
    templates: { header: '€'.repeat(50_000), footer: '€'.repeat(50_000) },
    ciName: '😀'.repeat(50_000),
  });
  assert.ok(Buffer.byteLength(message) <= MAX_MESSAGE_BYTES);
  assert.ok(!message.includes('\ufffd'));
});

test('a text is cut between two characters', () => {
  assert.equal(clipBytes('abc', 3), 'abc');
  for (let limit = 4; limit < 20; limit++) {
    const cut = clipBytes('😀€äa'.repeat(5), limit);
    assert.ok(Buffer.byteLength(cut) <= limit && !cut.includes('\ufffd') && cut.endsWith('…'), String(limit));
  }
});
