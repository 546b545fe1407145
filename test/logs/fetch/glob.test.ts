import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitGlob } from '../../../lib/logs/fetch/glob.ts';

/** The names that a shell would expand the glob to. */
const matching = (glob: string, names: readonly string[]): string[] => {
  const found = splitGlob(`/var/log/${glob}`);
  assert.ok(found, glob);
  assert.equal(found.folder, '/var/log');
  return names.filter(found.matches);
};

test('a path without a glob in its last segment is not split', () => {
  for (const path of ['/var/log/syslog', '/var/*/syslog', 'plain', '/']) assert.equal(splitGlob(path), undefined, path);
});

test('the folder is all before the last slash', () => {
  assert.equal(splitGlob('*.log')?.folder, '.');
  assert.equal(splitGlob('/*.log')?.folder, '/');
  assert.equal(splitGlob('logs/deep/*.log')?.folder, 'logs/deep');
});

test('stars and question marks match as in a shell', () => {
  const names = ['a.log', 'b.log', 'ab.log', '.hidden.log', 'a.log.gz', 'über.log', '😀.log', 'two\nlines.log'];
  assert.deepEqual(matching('*.log', names), ['a.log', 'b.log', 'ab.log', 'über.log', '😀.log', 'two\nlines.log']);
  assert.deepEqual(matching('?.log', names), ['a.log', 'b.log', '😀.log']);
  assert.deepEqual(matching('.*', names), ['.hidden.log']);
  assert.deepEqual(matching('*', ['a', '..b', '.c']), ['a']);
  assert.deepEqual(matching('a**', ['a', 'ab', 'b']), ['a', 'ab']);
});

test('a set that begins with ^ or ! matches every character but its own', () => {
  const names = ['apple', 'berry', '^x', '!x'];
  assert.deepEqual(matching('[^a]*', names), ['berry', '^x', '!x']);
  assert.deepEqual(matching('[!a]*', names), ['berry', '^x', '!x']);
});

test('a set holds ranges, classes of characters and a closing bracket', () => {
  const names = ['log1', 'log2', 'log-', 'logx', 'LOG1', 'log]', 'log '];
  assert.deepEqual(matching('log[0-9]', names), ['log1', 'log2']);
  assert.deepEqual(matching('log[[:digit:]]', names), ['log1', 'log2']);
  assert.deepEqual(matching('log[^[:alnum:]]', names), ['log-', 'log]', 'log ']);
  assert.deepEqual(matching('[[:upper:]]*', names), ['LOG1']);
  assert.deepEqual(matching('log[[:space:]-]', names), ['log-', 'log ']);
  assert.deepEqual(matching('log[]]', names), ['log]']);
});

test('a set never matches a leading dot', () => {
  assert.deepEqual(matching('[^a]*', ['.bashrc', 'b']), ['b']);
  assert.deepEqual(matching('[.]bashrc', ['.bashrc']), []);
});

test('braces, parentheses and a leading exclamation mark are plain characters', () => {
  assert.deepEqual(matching('{a,b}*', ['a', 'b', '{a,b}c']), ['{a,b}c']);
  assert.deepEqual(matching('+(a)*', ['a', 'aa', '+(a)b']), ['+(a)b']);
  assert.deepEqual(matching('!(a)*', ['b', '!(a)c']), ['!(a)c']);
  assert.deepEqual(matching('!a*', ['b', '!ab']), ['!ab']);
  assert.deepEqual(matching('#a*', ['#ab']), ['#ab']);
  assert.deepEqual(matching('$a^+.*', ['$a^+.log', '$a^+xlog']), ['$a^+.log']);
  assert.deepEqual(matching('a|b*', ['a', 'b', 'a|bc']), ['a|bc']);
});

test('a backslash takes away the meaning of the next character', () => {
  assert.deepEqual(matching('a\\**', ['a*b', 'ab']), ['a*b']);
});

test('a set that is not closed is plain text, and one that is none matches nothing', () => {
  assert.deepEqual(matching('[a*', ['[ab', 'a']), ['[ab']);
  assert.deepEqual(matching('[z-a]*', ['a', 'z', '[z-a]x']), []);
});

test('a hostile glob and hostile names take no time', () => {
  const names = ['a'.repeat(255), 'ab'.repeat(127), '-'.repeat(255), ']'.repeat(255)];
  const globs = [
    '*a'.repeat(100),
    '*?'.repeat(127),
    `${'*a'.repeat(20)}b*`,
    `${'[^a]*'.repeat(50)}c`,
    `${'[[:alpha:]]*'.repeat(20)}!`,
    '*'.repeat(4000),
    `${'?*'.repeat(60)}x`,
  ];
  const started = performance.now();
  for (const glob of globs) matching(glob, names);
  const took = performance.now() - started;
  assert.ok(took < 500, `${Math.round(took)} ms`);
});
