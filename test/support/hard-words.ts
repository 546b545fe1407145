/** Arguments that shells interpret differently: quotes, globs, newlines, `!` of csh, `\` of fish. */
export const HARD_WORDS = [
  "it's",
  '',
  '$HOME `id` $(id)',
  'a\nb\n',
  '*',
  'a!b',
  '!!',
  '\\',
  "\\'",
  '\\\\',
  'ümläut ☃',
  '%s %d',
  '#x',
  '\x01\x7f',
];
