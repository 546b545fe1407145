import assert from 'node:assert/strict';
import { test } from 'node:test';
import { projectsCondition, queryChanges } from '../../lib/gerrit/query.ts';
import { type FakeAnswer, FakeHost } from '../support/fake-link.ts';

const ask = async (answer: FakeAnswer, rows = 10, signal = AbortSignal.timeout(10_000)) => {
  const host = new FakeHost(() => answer);
  const found = await queryChanges(host, ['--comments'], 'status:open', { signal, rows });
  return { found, argv: host.commands[0]?.argv };
};
const lines = (...rows: unknown[]) =>
  rows.map((row) => (typeof row === 'string' ? row : JSON.stringify(row))).join('\n');

test('rows are returned without statistics and invalid lines', async () => {
  const stats = { type: 'stats', rowCount: 2, moreChanges: false };
  const stdout = lines({ project: 'demo', number: '7' }, 'rubbish', [], { number: 8, comments: 5 }, stats);
  const { found, argv } = await ask({ stdout });
  assert.deepEqual(found, [{ project: 'demo', number: 7 }, { number: 8 }]);
  assert.deepEqual(argv, ['gerrit', 'query', '--format=JSON', '--comments', 'status:open limit:10']);
});

test('rows beyond the limit are dropped, and a row of megabytes is skipped', async () => {
  const many = Array.from({ length: 50 }, (_, number) => ({ number }));
  assert.equal((await ask({ stdout: lines(...many) }, 3)).found.length, 3);
  const huge = { number: 1, subject: 'x'.repeat(9 * 1024 * 1024) };
  assert.deepEqual((await ask({ stdout: lines(huge, { number: 2 }) })).found, [{ number: 2 }]);
});

test("a refusal is an error with the server's message", async () => {
  const refusal = lines({ type: 'error', message: 'Unrecognized value: bogus' });
  await assert.rejects(ask({ stdout: refusal }), {
    code: 'gerrit/query-refused',
    message: /Unrecognized value: bogus/,
  });
  await assert.rejects(ask({ code: 1, stderr: 'fatal: boom' }), { code: 'gerrit/command-failed', retryable: true });
});

test('an abort ends the wait and the command', async () => {
  const stop = new AbortController();
  const host = new FakeHost(() => 'hang');
  const asked = queryChanges(host, [], 'x', { signal: stop.signal, rows: 1 });
  setTimeout(() => stop.abort(new Error('stopped')), 10);
  await assert.rejects(asked, { message: /stopped|closed/ });
  assert.equal(host.commands[0]?.closed, true);
});

test('projects become a condition; names that would break out of it are dropped', () => {
  assert.equal(projectsCondition(['a/b', 'c d']), '(project:"a/b" OR project:"c d")');
  assert.equal(projectsCondition(['x" OR status:open', '^.*', 'back\\slash', '']), undefined);
  assert.equal(projectsCondition([]), undefined);
  assert.equal(projectsCondition(Array.from({ length: 500 }, (_, i) => `p${i}`))?.split(' OR ').length, 50);
});
