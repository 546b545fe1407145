import assert from 'node:assert/strict';
import { test } from 'node:test';
import { commentText, votesOf } from '../../lib/gerrit/comment.ts';
import { commented } from './events.ts';

const copied =
  'Copied votes on follow-up patch sets have been updated:\n* Code-Review-2 has been copied to patch set 2 (copy condition: "is:MIN").\n';

const forms: [name: string, comment: string, text: string][] = [
  ['the UI', 'Patch Set 1:\n\nrecheck', 'recheck'],
  ['a vote and a message', 'Patch Set 12: Code-Review+1\n\nrecheck', 'recheck'],
  ['two votes, one taken away', 'Patch Set 1: Verified-1 -Code-Review\n\nrecheck', 'recheck'],
  ['inline comments and a message', 'Patch Set 1: Code-Review+1\n\n(2 comments)\n\nrecheck', 'recheck'],
  ['one comment', 'Patch Set 1:\n\n(1 comment)\n\nrecheck', 'recheck'],
  ['copied votes', `Patch Set 1: Code-Review-2\n\n${copied}\n(1 comment)\n\nrecheck`, 'recheck'],
  ['copied votes behind the comments', `Patch Set 1: Code-Review-2\n\n(1 comment)\n\n${copied}\nrecheck`, 'recheck'],
  ['only a vote', 'Patch Set 1: Code-Review+1', ''],
  ['only inline comments', 'Patch Set 1:\n\n(3 comments)', ''],
  ['several lines', 'Patch Set 1:\n\nNice.\n\nrecheck\nthanks', 'Nice.\n\nrecheck\nthanks'],
  ['line ends of Windows', 'Patch Set 1:\r\n\r\n(1 comment)\r\n\r\nrecheck\r\n', 'recheck'],
  ['no header at all', 'recheck', 'recheck'],
  ['a message that only looks like a header', 'Patch Set 1 is fine, recheck', 'Patch Set 1 is fine, recheck'],
];

for (const [name, comment, text] of forms)
  test(`the text of a comment: ${name}`, () => assert.equal(commentText(commented(comment)), text));

test('a patchset-level comment that is only in patchSetComments is read', () => {
  const level = { patchSetComments: { '/PATCHSET_LEVEL': [{ message: 'recheck' }], 'a.txt': [{ message: 'nit' }] } };
  assert.equal(commentText(commented('Patch Set 1:\n\n(1 comment)', level)), 'recheck');
  assert.equal(commentText(commented('Patch Set 1:\n\nrecheck', level)), 'recheck');
});

test('without a comment there is no text', () => {
  assert.equal(commentText({ type: 'comment-added' }), '');
});

test('a comment of megabytes is cut and quick', () => {
  const start = Date.now();
  const text = commentText(commented(`Patch Set 1:${' x'.repeat(2_000_000)}`));
  assert.ok(text.length <= 65_536);
  assert.ok(Date.now() - start < 60_000);
});

test('only approvals with an oldValue are votes of the comment', () => {
  const approvals = [
    { type: 'Verified', value: '0' },
    { type: 'Code-Review', value: '-1', oldValue: '0' },
    { type: 'Workflow', value: '0', oldValue: '1' },
    { type: 'Library', value: '1' },
  ];
  assert.deepEqual(votesOf(commented('', { approvals })), { 'Code-Review': -1, Workflow: 0 });
  assert.deepEqual(votesOf({ type: 'comment-added' }), {});
});
