import { nulInCommand } from '../errors/ssh-command.ts';

const PLAIN = /^[A-Za-z0-9_@%+=:,./-]+$/;

/**
 * One command line of an argument array, for a POSIX shell: plain words stay as they are, all else goes in single
 * quotes. Gerrit's SSH command line reads the same (its one gap: an empty argument vanishes there).
 * Throws a CiError for NUL, which no argument can hold.
 */
export function quote(argv: readonly string[]): string {
  return argv
    .map((word) => {
      if (word.includes('\0')) throw nulInCommand();
      return PLAIN.test(word) ? word : `'${word.replaceAll("'", `'\\''`)}'`;
    })
    .join(' ');
}
