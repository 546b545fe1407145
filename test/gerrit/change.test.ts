import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeOf } from '../../lib/gerrit/change.ts';
import { refUpdated, uploaded } from './events.ts';

test('a patchset is a change with all its facts', () => {
  assert.deepEqual(changeOf(uploaded(), 'server-1'), {
    server: 'server-1',
    project: 'demo',
    branch: 'master',
    number: 1,
    patchset: 2,
    revision: '479ccfd8802ff5f277ed80dcfb3fec54d72efff5',
    ref: 'refs/changes/01/1/2',
    changeId: 'I0b5a01c7220e3aa6e7097ea602d576d3c79d437c',
    url: 'http://127.0.0.1:8080/c/demo/+/1',
    subject: 'First',
    owner: 'ann',
  });
});

test('an updated ref is a change without a number', () => {
  assert.deepEqual(changeOf(refUpdated('refs/heads/stable/x'), 's'), {
    server: 's',
    project: 'demo',
    branch: 'stable/x',
    revision: '479ccfd8802ff5f277ed80dcfb3fec54d72efff5',
    ref: 'refs/heads/stable/x',
  });
  assert.equal(changeOf(refUpdated('refs/tags/v1'), 's')?.branch, undefined);
  assert.equal(changeOf(refUpdated('master'), 's')?.branch, 'master');
});

test('missing fields stay missing, and without a project there is no change', () => {
  assert.deepEqual(changeOf({ type: 'x', change: { project: 'p' } }, 's'), { server: 's', project: 'p' });
  assert.equal(changeOf({ type: 'x' }, 's'), undefined);
  assert.equal(changeOf({ type: 'x', change: { number: 3 } }, 's'), undefined);
  assert.equal(changeOf({ type: 'x', refUpdate: {} }, 's'), undefined);
});

test('a URL that would run a script is dropped', () => {
  const change = { project: 'p', url: 'javascript:alert(1)' };
  assert.equal(changeOf({ type: 'x', change }, 's')?.url, undefined);
});
