import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { quoteWord } from '../../lib/util/shell-quote.ts';
import { PRINTABLE } from '../support/hard-words.ts';

test('a shell reads a quoted text as one unchanged word', () => {
  for (const text of [PRINTABLE, '', "it's", '$(id) `id` "$HOME"', '-n']) {
    assert.equal(execFileSync('sh', ['-c', `printf %s ${quoteWord(text)}`], { encoding: 'utf8' }), text);
  }
});
