import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitCommandLine } from '../../../../lib/sandbox/gerrit/ssh/command-line.ts';

const cases: [what: string, line: string, words: string[]][] = [
  ['space and tab separate, a newline does not', 'a \t b\nc', ['a', 'b\nc']],
  ['single quotes are literal', `'a "b" \\n' x`, ['a "b" \\n', 'x']],
  ['POSIX quoting of a quote', `'it'\\''s'`, ["it's"]],
  ['a backslash in double quotes and in bare words', `"a\\"b" c\\ d`, ['a"b', 'c d']],
  ['nothing expands', '$HOME `id` * ;', ['$HOME', '`id`', '*', ';']],
  ['an empty argument vanishes', `-m '' 1,2`, ['-m', '1,2']],
  ['an open quote takes the rest', `-m 'a 1,2`, ['-m', 'a 1,2']],
];

for (const [what, line, words] of cases) {
  test(`Gerrit's command line: ${what}`, () => assert.deepEqual(splitCommandLine(line), words));
}
