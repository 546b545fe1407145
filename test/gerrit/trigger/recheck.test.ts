import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commentText } from '../../../lib/gerrit/comment.ts';
import { recheckPattern } from '../../../lib/gerrit/trigger/recheck.ts';
import { commented } from '../events.ts';

const pattern = recheckPattern('Acme CI');
const asks = (text: string, by = pattern) => by.test(commentText(commented(`Patch Set 1:\n\n${text}`)));

const yes = [
  'recheck',
  'Recheck.',
  'RECHECK',
  '  recheck  ',
  'recheck acme-ci',
  'recheck Acme CI',
  'recheck acme_ci',
  'acme-ci recheck',
  'Acme CI recheck!',
  'run acme-ci',
  'run Acme CI',
  'run-Acme CI',
  'run-acme-ci',
  'check acme-ci',
  'recheck no bug',
  'recheck bug 1234',
  'recheck bug #1234',
  'The mirror was down.\n\nrecheck',
  'recheck\n\nthe mirror was down',
];
for (const text of yes) test(`asks for a recheck: ${JSON.stringify(text)}`, () => assert.equal(asks(text), true));

const not = [
  'recheck other-ci',
  'other-ci recheck',
  'run other-ci',
  'run',
  'check',
  'acme-ci',
  'please do not recheck this',
  '> recheck',
  'prerecheck',
  'rechecking',
  'recheck acme-ci2',
  'recheck bug',
  '',
];
for (const text of not)
  test(`does not ask for a recheck: ${JSON.stringify(text)}`, () => assert.equal(asks(text), false));

test('text after votes and (2 comments) is found', () => {
  assert.ok(pattern.test(commentText(commented('Patch Set 3: Code-Review+1\n\n(2 comments)\n\nrecheck'))));
});

test("the name's own signs mean nothing", () => {
  const odd = recheckPattern('a.c* (x)');
  assert.equal(asks('recheck a.c* (x)', odd), true);
  assert.equal(asks('recheck abc (x)', odd), false);
});

test('without a name only a bare recheck counts', () => {
  const bare = recheckPattern('');
  assert.equal(asks('recheck', bare), true);
  assert.equal(asks('recheck x', bare), false);
  assert.equal(asks('run', bare), false);
});

test("the operator's expression is matched against each line, repeatedly", () => {
  const own = recheckPattern('Acme CI', '^rally-ci (?:recheck|again)$');
  for (let i = 0; i < 2; i++) assert.equal(asks('hello\nRally-CI again', own), true);
  assert.equal(asks('recheck', own), false);
});

test('an expression that cannot be parsed is an error that says why', () => {
  assert.throws(() => recheckPattern('x', '(a'), { code: 'gerrit/recheck-pattern', message: /"\(a"/ });
});

test('a hostile comment is matched quickly', () => {
  const start = Date.now();
  asks(`${' '.repeat(60_000)}x`);
  asks(`${'recheck '.repeat(8_000)}x`);
  asks(`recheck acme${' '.repeat(60_000)}`);
  assert.ok(Date.now() - start < 60_000);
});
