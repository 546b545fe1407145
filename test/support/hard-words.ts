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

/** All printable ASCII characters, a newline, a tab, and characters outside ASCII. */
export const PRINTABLE = `${String.fromCharCode(...Array.from({ length: 95 }, (_, index) => index + 32))}\n\t€😀`;
