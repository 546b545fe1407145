import assert from 'node:assert/strict';
import { test } from 'node:test';
import { splitCommandLine } from '../../../../lib/sandbox/gerrit/ssh/command-line.ts';

const cases: [what: string, line: string, words: string[]][] = [
  ['space and tab separate, a newline does not', 'a \t b\nc', ['a', 'b\nc']],
  ['single quotes are literal', `'a "b" \\n' x`, ['a "b" \\n', 'x']],
  ['a single quote is quoted as in POSIX shells', `'it'\\''s'`, ["it's"]],
  ['a backslash escapes in double quotes and in bare words', `"a\\"b" c\\ d`, ['a"b', 'c d']],
  ['nothing is expanded', '$HOME `id` * ;', ['$HOME', '`id`', '*', ';']],
  ['an empty argument is dropped', `-m '' 1,2`, ['-m', '1,2']],
  ['an unclosed quote extends to the end', `-m 'a 1,2`, ['-m', 'a 1,2']],
];

for (const [what, line, words] of cases) {
  test(`Gerrit's command line: ${what}`, () => assert.deepEqual(splitCommandLine(line), words));
}
