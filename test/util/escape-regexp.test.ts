import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeRegExp } from '../../lib/util/escape-regexp.ts';
import { PRINTABLE } from '../support/hard-words.ts';

test('an escaped text matches only itself, with and without the u flag', () => {
  for (const flags of ['', 'i', 'u', 'su']) {
    const pattern = new RegExp(`^${escapeRegExp(PRINTABLE)}$`, flags);
    assert.match(PRINTABLE, pattern);
    assert.doesNotMatch(`${PRINTABLE}.`, pattern);
  }
  assert.doesNotMatch('axb', new RegExp(escapeRegExp('a.b')));
});
