import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { escapeRegExp } from '../../lib/util/escape-regexp.ts';
import { escapeHtml, html } from '../../lib/util/html.ts';
import { quoteWord } from '../../lib/util/shell-quote.ts';

/** All printable ASCII characters, and some that are not. */
const EVERY_SIGN = `${String.fromCharCode(...Array.from({ length: 95 }, (_, index) => index + 32))}\n\t€😀`;

test('an escaped text matches itself and nothing else, with and without the u flag', () => {
  for (const flags of ['', 'i', 'u', 'su']) {
    const pattern = new RegExp(`^${escapeRegExp(EVERY_SIGN)}$`, flags);
    assert.match(EVERY_SIGN, pattern);
    assert.doesNotMatch(`${EVERY_SIGN}.`, pattern);
  }
  assert.doesNotMatch('axb', new RegExp(escapeRegExp('a.b')));
});

test('HTML keeps text as text, between tags and in attributes', () => {
  assert.equal(escapeHtml(`<a href='x' b="y">&`), '&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;');
  const list = ['<b>', html`<i>${'&'}</i>`, 7, undefined, false] as const;
  assert.equal(html`<p>${list}</p>`.text, '<p>&lt;b&gt;<i>&amp;</i>7</p>');
});

test('a quoted word is one word of a shell', () => {
  for (const text of [EVERY_SIGN, '', "it's", '$(id) `id` "$HOME"', '-n']) {
    assert.equal(execFileSync('sh', ['-c', `printf %s ${quoteWord(text)}`], { encoding: 'utf8' }), text);
  }
});
