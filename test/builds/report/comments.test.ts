import assert from 'node:assert/strict';
import { test } from 'node:test';
import { addComments, noComments } from '../../../lib/builds/report/comments.ts';

test('adds well-formed comments and counts the others', () => {
  const comments = noComments();
  const left = addComments(comments, {
    'a.c': [{ line: 2, message: 'here' }, { line: 3 }, 'no'],
    'b.c': { message: 'all of it' },
  });
  assert.equal(left, 2);
  assert.equal(JSON.stringify(comments), '{"a.c":[{"line":2,"message":"here"}],"b.c":[{"message":"all of it"}]}');
});

test('a file may have the name of an Object property', () => {
  const comments = noComments();
  const hostile: unknown = JSON.parse('{"__proto__": [{"message": "p"}], "constructor": [{"message": "c"}]}');
  assert.equal(addComments(comments, hostile), 0);
  assert.equal(JSON.stringify(comments), '{"__proto__":[{"message":"p"}],"constructor":[{"message":"c"}]}');
});
