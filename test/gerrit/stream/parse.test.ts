import assert from 'node:assert/strict';
import { test } from 'node:test';
import { isChangeRefUpdate, parseEvent } from '../../../lib/gerrit/stream/parse.ts';
import { commented, refUpdated, uploaded } from '../events.ts';

test('an event keeps all its fields, including unknown ones', () => {
  const event = uploaded();
  assert.deepEqual(parseEvent(JSON.stringify(event)), event);
});

test('anything that is not an event is undefined and never throws', () => {
  const lines = [
    '',
    ' ',
    'rubbish',
    '{',
    '[]',
    '[{"type":"x"}]',
    '42',
    'null',
    '"text"',
    '{}',
    '{"type":5}',
    '{"type":null}',
    '\0\uffff',
    '['.repeat(500_000),
    `${'['.repeat(500_000)}${']'.repeat(500_000)}`,
    `{"type":"x","deep":${'{"a":'.repeat(5_000)}1${'}'.repeat(5_000)}}`,
  ];
  for (const line of lines) assert.equal(parseEvent(line), undefined, line.slice(0, 40));
});

test('a type alone is an event, even if it is unknown', () => {
  assert.deepEqual(parseEvent('{"type":"brand-new"}'), { type: 'brand-new' });
});

test('numbers from old servers are converted, and fields of a wrong type are dropped', () => {
  const event = parseEvent(
    JSON.stringify({
      type: 'comment-added',
      change: { project: { name: 'demo' }, number: '1234', branch: ['x'], owner: 'ann', subject: 7, extra: [1] },
      patchSet: { number: '2', createdOn: '17', ref: {} },
      author: [],
      approvals: [{ type: 'Verified', value: 1, oldValue: '0' }, 'x', null],
      comment: { a: 1 },
      patchSetComments: { '/PATCHSET_LEVEL': [{ message: 'recheck' }, 3], 'a.txt': 5 },
      eventCreatedOn: 'soon',
      refUpdate: null,
    }),
  );
  assert.deepEqual(event, {
    type: 'comment-added',
    change: { project: 'demo', number: 1234, subject: '7', extra: [1] },
    patchSet: { number: 2, createdOn: 17 },
    approvals: [{ type: 'Verified', value: '1', oldValue: '0' }],
    patchSetComments: { '/PATCHSET_LEVEL': [{ message: 'recheck' }], 'a.txt': 5 },
  });
});

test('an invalid number is dropped', () => {
  for (const number of [-1, 1.5, 1e300, '1e3', '-2', '', true, [2]]) {
    const event = parseEvent(JSON.stringify({ type: 'x', change: { number } }));
    assert.deepEqual(event, { type: 'x', change: {} }, JSON.stringify(number));
  }
});

test('a __proto__ in an event changes no object', () => {
  parseEvent('{"type":"x","__proto__":{"polluted":1},"change":{"__proto__":{"polluted":1}}}');
  assert.equal(({} as Record<string, unknown>).polluted, undefined);
});

test('refs of changes are recognized without parsing, and a comment that quotes one is not mistaken for it', () => {
  assert.equal(isChangeRefUpdate(JSON.stringify(refUpdated('refs/changes/01/1/meta'))), true);
  assert.equal(isChangeRefUpdate(JSON.stringify(refUpdated('refs/heads/master'))), false);
  assert.equal(isChangeRefUpdate(JSON.stringify(uploaded())), false);
  const quote = commented(`Patch Set 1:\n\n${JSON.stringify(refUpdated('refs/changes/01/1/meta'))}`);
  assert.equal(isChangeRefUpdate(JSON.stringify(quote)), false);
});
