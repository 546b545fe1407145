import assert from 'node:assert/strict';
import { test } from 'node:test';
import { changeOf } from '../../lib/gerrit/change.ts';
import { eventEnvironment, pickEnvironment } from '../../lib/gerrit/environment.ts';
import type { GerritEvent } from '../../lib/gerrit/types.ts';
import { refUpdated, uploaded } from './events.ts';

const environmentOf = (event: GerritEvent) => eventEnvironment(event, changeOf(event, 's')!);

test('a patchset has its variables', () => {
  assert.deepEqual(environmentOf(uploaded()), {
    GERRIT_EVENT_TYPE: 'patchset-created',
    GERRIT_PROJECT: 'demo',
    GERRIT_BRANCH: 'master',
    GERRIT_REF: 'refs/changes/01/1/2',
    GERRIT_REFSPEC: 'refs/changes/01/1/2',
    GERRIT_CHANGE_ID: 'I0b5a01c7220e3aa6e7097ea602d576d3c79d437c',
    GERRIT_CHANGE_NUMBER: '1',
    GERRIT_CHANGE_URL: 'http://127.0.0.1:8080/c/demo/+/1',
    GERRIT_CHANGE_SUBJECT: 'First',
    GERRIT_CHANGE_OWNER: 'ann',
    GERRIT_PATCHSET_NUMBER: '2',
    GERRIT_PATCHSET_REVISION: '479ccfd8802ff5f277ed80dcfb3fec54d72efff5',
  });
});

test('an updated ref has its variables, and none of a change', () => {
  assert.deepEqual(environmentOf(refUpdated('refs/heads/master')), {
    GERRIT_EVENT_TYPE: 'ref-updated',
    GERRIT_PROJECT: 'demo',
    GERRIT_BRANCH: 'master',
    GERRIT_REF: 'refs/heads/master',
    GERRIT_REFSPEC: 'refs/heads/master',
    GERRIT_REFUPD_NEW: '479ccfd8802ff5f277ed80dcfb3fec54d72efff5',
    GERRIT_REFUPD_OLD: '552e1d862f326d8e04c7346cb0a8efa512f4cdb4',
    GERRIT_REFUPD_REFNAME: 'refs/heads/master',
  });
});

test('a value is unchanged except for NUL, which no environment can contain', () => {
  const event = uploaded({ change: { project: 'p', subject: '$(rm -rf /) `x` "\'\\ \n\0 end' } });
  assert.equal(environmentOf(event).GERRIT_CHANGE_SUBJECT, '$(rm -rf /) `x` "\'\\ \n end');
});

test('dotted paths pick what exists and skip the rest', () => {
  const event = uploaded();
  const rows = [
    { name: 'TOPIC', path: 'change.topic' },
    { name: 'KIND', path: 'patchSet.kind' },
    { name: 'PARENT', path: 'patchSet.parents.0' },
    { name: 'SIZE', path: 'patchSet.sizeInsertions' },
    { name: 'WHOLE', path: 'change' },
    { name: 'DEEP', path: 'change.subject.length' },
    { name: 'PROTO', path: 'constructor.name' },
    { name: 'EMPTY', path: '' },
  ];
  assert.deepEqual(pickEnvironment(event, rows), {
    KIND: 'REWORK',
    PARENT: '552e1d862f326d8e04c7346cb0a8efa512f4cdb4',
    SIZE: '10',
  });
});
