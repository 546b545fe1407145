import assert from 'node:assert/strict';
import { test } from 'node:test';
import { escapeHtml, html } from '../../lib/util/html.ts';

test('HTML escapes text between tags and in attributes', () => {
  assert.equal(escapeHtml(`<a href='x' b="y">&`), '&lt;a href=&#39;x&#39; b=&quot;y&quot;&gt;&amp;');
  const list = ['<b>', html`<i>${'&'}</i>`, 7, undefined, false] as const;
  assert.equal(html`<p>${list}</p>`.text, '<p>&lt;b&gt;<i>&amp;</i>7</p>');
});
