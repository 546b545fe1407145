import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { quote } from '../../lib/ssh/quote.ts';

test('a shell reads back exactly the arguments that were quoted', () => {
  const words = ['plain', '', "it's", '$(id) `id` "x" \\', 'a\nb\t c', '*', '~', '-n', 'ümläut', "''", ';&|<>'];
  const said = execFileSync('/bin/sh', ['-c', quote(['printf', '%s\\0', ...words])]);
  assert.deepEqual(said.toString().split('\0').slice(0, -1), words);
});

test('plain words stay readable', () => {
  assert.equal(quote(['gerrit', 'stream-events', '-s', 'comment-added']), 'gerrit stream-events -s comment-added');
});

test('NUL is refused', () => {
  assert.throws(
    () => quote(['echo', 'a\0b']),
    (e: CiError) => e.code === 'ssh/nul',
  );
});
