import assert from 'node:assert/strict';
import { test } from 'node:test';
import { freeName, safeName } from '../../lib/logs/file-name.ts';

test('ordinary names are unchanged', () => {
  for (const name of ['console.log', 'tox-py311', 'screen-n-cpu.txt.gz', 'größe (1).txt', 'a+b=c@d~e,f', '7f3a']) {
    assert.equal(safeName(name), name);
  }
});

test('nothing climbs, hides, or breaks a line, a shell word or a page', () => {
  for (const name of [
    '',
    '.',
    '..',
    '../../etc/passwd',
    '.bashrc',
    '-rf',
    'a/b',
    'a\\b',
    'a\0b',
    'a\nb',
    '<img>',
    '"',
    "'",
    'a:b',
    'x.',
    ' ',
    '\u202egnp.exe',
    '$(id)',
    '%2e%2e',
  ]) {
    const safe = safeName(name);
    assert.doesNotMatch(safe, /^[.\-\s]|[.\s]$|^$|[/\\\0\n<>"'$:%\u202e]/, JSON.stringify(name));
  }
});

test('long names are shortened to what a file system accepts, keep their extension, and stay distinct', () => {
  const one = safeName(`${'漢'.repeat(500)}1.txt.gz`);
  const two = safeName(`${'漢'.repeat(500)}2.txt.gz`);
  assert.ok(Buffer.byteLength(one) <= 200);
  assert.match(one, /\.txt\.gz$/);
  assert.notEqual(one, two);
});

test('a taken name gets a number before its extension', () => {
  const taken = new Set(['index.html']);
  assert.equal(freeName('index.html', taken), 'index~2.html');
  assert.equal(freeName('index.html', taken), 'index~3.html');
  assert.equal(freeName('Makefile', taken), 'Makefile');
  assert.equal(freeName('Makefile', taken), 'Makefile~2');
});
