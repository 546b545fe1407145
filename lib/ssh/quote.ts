import { nulInCommand } from '../errors/ssh-command.ts';
import { quoteWord } from '../util/shell-quote.ts';

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/**
 * Returns an argument array as one command line for a POSIX shell: plain words stay as they are, others are put in single
 * quotes. Gerrit parses its SSH command lines the same way, but drops empty arguments.
 *
 * @throws CiError for NUL, which no argument can contain
 */
export function quote(argv: readonly string[]): string {
  return argv
    .map((word) => {
      if (word.includes('\0')) throw nulInCommand();
      return PLAIN.test(word) ? word : quoteWord(word);
    })
    .join(' ');
}
