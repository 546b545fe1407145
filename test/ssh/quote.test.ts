import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import type { CiError } from '../../lib/errors/ci-error.ts';
import { quote } from '../../lib/ssh/quote.ts';

test('a shell reads quoted arguments back unchanged', () => {
  const args = ['plain', '', "it's", '$(id) `id` "x" \\', 'a\nb\t c', '*', '~', '-n', 'ümläut', "''", ';&|<>'];
  const output = execFileSync('/bin/sh', ['-c', quote(['printf', '%s\\0', ...args])]);
  assert.deepEqual(output.toString().split('\0').slice(0, -1), args);
});

test('plain words are not quoted', () => {
  assert.equal(quote(['gerrit', 'stream-events', '-s', 'comment-added']), 'gerrit stream-events -s comment-added');
});

test('a NUL byte is refused', () => {
  assert.throws(
    () => quote(['echo', 'a\0b']),
    (e: CiError) => e.code === 'ssh/nul',
  );
});
