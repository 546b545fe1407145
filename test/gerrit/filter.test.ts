import assert from 'node:assert/strict';
import { test } from 'node:test';
import { eventTypesOf, type FilterSettings, makeFilter } from '../../lib/gerrit/filter.ts';
import type { GerritEvent } from '../../lib/gerrit/types.ts';
import { commented, refUpdated, uploaded } from './events.ts';

const settings: FilterSettings = {
  triggers: ['patchset', 'recheck', 'merged', 'ref'],
  projects: [{ match: 'exact', pattern: 'demo' }],
  ciUser: 'acme-ci',
  ciName: 'Acme CI',
};
const verdict = (event: GerritEvent, more: Partial<FilterSettings> = {}) => makeFilter({ ...settings, ...more })(event);
const why = (event: GerritEvent, more?: Partial<FilterSettings>) => {
  const found = verdict(event, more);
  assert.equal(found.take, false);
  return found.take ? '' : found.why;
};
const trigger = (event: GerritEvent, more?: Partial<FilterSettings>) => {
  const found = verdict(event, more);
  if (!found.take) assert.fail(found.why);
  return found.trigger;
};

test('a patchset is taken', () => {
  assert.deepEqual(trigger(uploaded()), { type: 'patchset', key: 'ps', reason: 'patchset 2 was uploaded' });
});

test('a recheck is taken, with its text', () => {
  const found = trigger(commented('Patch Set 2:\n\nThe mirror.\nrecheck\nbye'));
  assert.equal(found.type, 'recheck');
  assert.equal(found.reason, 'ann commented: recheck');
});

test('a repeated recheck has the same key, and another time, author or text a different one', () => {
  const key = (event: GerritEvent) => trigger(event).key;
  const first = key(commented('Patch Set 2:\n\nrecheck'));
  assert.equal(key(commented('Patch Set 2:\n\nrecheck')), first);
  assert.notEqual(key(commented('Patch Set 2:\n\nrecheck', { eventCreatedOn: 1 })), first);
  assert.notEqual(key(commented('Patch Set 2:\n\nrecheck', { author: { username: 'bob' } })), first);
  assert.notEqual(key(commented('Patch Set 2:\n\nrecheck acme-ci')), first);
});

test("the CI's own comments start nothing, however they read", () => {
  const own = commented('Patch Set 2:\n\nrecheck', { author: { name: 'Acme Test CI', username: 'acme-ci' } });
  assert.match(why(own), /own comment/);
});

test('the reason for a comment without a recheck names its votes', () => {
  const approvals = [
    { type: 'Verified', value: '1' },
    { type: 'Code-Review', value: '1', oldValue: '0' },
  ];
  assert.equal(
    why(commented('Patch Set 2: Code-Review+1', { approvals })),
    "ann's comment does not ask for a recheck (voted Code-Review +1)",
  );
});

test('a merged change is taken', () => {
  assert.equal(trigger(uploaded({ type: 'change-merged' })).type, 'merged');
});

test('an updated branch or tag is taken, each update once', () => {
  const found = trigger(refUpdated('refs/heads/master'));
  assert.equal(found.reason, 'refs/heads/master moved to 479ccfd8802f');
  assert.notEqual(found.key, trigger(refUpdated('refs/heads/other')).key);
  assert.equal(trigger(refUpdated('refs/tags/v1')).type, 'ref');
  assert.equal(trigger(refUpdated('master')).type, 'ref');
});

test('refs internal to Gerrit and deleted ones are dropped', () => {
  for (const ref of ['refs/changes/01/1/1', 'refs/changes/01/1/meta', 'refs/meta/config', 'refs/users/01/1'])
    assert.match(why(refUpdated(ref)), /internal to Gerrit/);
  const gone = refUpdated('refs/heads/x', {
    refUpdate: { project: 'demo', refName: 'refs/heads/x', newRev: '0'.repeat(40) },
  });
  assert.match(why(gone), /deleted/);
});

test('projects and branches are filtered', () => {
  const branches = [{ match: 'glob' as const, pattern: 'stable/*' }];
  assert.match(why(uploaded(), { projects: [{ match: 'glob', pattern: 'other*' }] }), /project demo/);
  assert.match(why(uploaded(), { branches }), /branch master/);
  assert.equal(
    verdict(uploaded({ change: { project: 'demo', branch: 'stable/a', number: 1 } }), { branches }).take,
    true,
  );
  assert.equal(verdict(refUpdated('refs/heads/stable/a'), { branches }).take, true);
  assert.match(why(refUpdated('refs/tags/v1'), { branches }), /no branch/);
  assert.match(why(uploaded(), { projects: [] }), /project demo/);
});

test('only configured triggers are taken and subscribed to', () => {
  assert.match(why(uploaded(), { triggers: ['recheck'] }), /not a trigger here/);
  assert.match(why({ type: 'brand-new' }), /not a trigger here/);
  assert.deepEqual(eventTypesOf(['patchset', 'recheck', 'merged', 'ref']), [
    'patchset-created',
    'comment-added',
    'change-merged',
    'ref-updated',
  ]);
});

test('an incomplete event is rejected with the reason', () => {
  const holes: GerritEvent[] = [
    { type: 'patchset-created' },
    { type: 'patchset-created', change: { project: 'demo' } },
    { type: 'patchset-created', change: { project: 'demo', number: 1 }, patchSet: {} },
    { type: 'comment-added', change: { project: 'demo' }, comment: 'recheck' },
    { type: 'ref-updated' },
    { type: 'ref-updated', refUpdate: { project: 'demo' } },
    { type: 'change-merged', change: { number: 1 } },
  ];
  for (const event of holes) assert.match(why(event), /without/);
});
