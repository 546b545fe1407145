import { randomBytes } from 'node:crypto';
import { nulInCommand } from '../../errors/ssh-command.ts';
import { quote } from '../quote.ts';

/** A command line for a login shell, and the lines that it prints right before the program runs. */
export interface MarkedCommand {
  line: string;
  /** The line on stdout, with its newline: output before it is not the program's. */
  stdoutMark: string;
  /** The same on stderr. It differs, since a wrapper may join both streams. */
  stderrMark: string;
}

/** Adds the usual folders to a PATH without /usr/bin, which a start-up file of the shell must have broken. */
const COMPLETE_PATH =
  'case ":$PATH:" in *:/usr/bin:*) ;; *) PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH ;; esac';

/**
 * Returns the command line that runs a program through an unknown login shell. sshd passes it to that shell with `-c`
 * (session.c), after the shell has run its own start-up files: bash reads ~/.bashrc, zsh ~/.zshenv, csh ~/.cshrc, fish
 * config.fish, and each may print something. So /bin/sh runs the program, and prints the marks first.
 *
 * The mark is not part of the line itself, since `set -x` in a start-up file prints the line.
 *
 * @param isOurs whether it is Recheck's own program, which needs a working PATH; otherwise it gets the login's PATH
 * @throws CiError for NUL, which no argument can contain
 */
export function markedCommand(argv: readonly string[], isOurs: boolean): MarkedCommand {
  const id = randomBytes(8).toString('hex');
  const print = (name: string): string => `printf '%s%s\\n' ${name}: ${id}`;
  const program = [
    ...(isOurs ? [COMPLETE_PATH] : []),
    `${print('recheck-err')} >&2`,
    print('recheck-out'),
    `exec ${quote(argv)}`,
  ].join('\n');
  return {
    line: `exec /bin/sh -c 'eval "$(printf %b "$0")"' ${neutralWord(program)}`,
    stdoutMark: `recheck-out:${id}\n`,
    stderrMark: `recheck-err:${id}\n`,
  };
}

/**
 * Returns a word in single quotes that every shell parses alike, and that `printf %b` turns into the text again. Within
 * single quotes csh expands `!` and does not accept a newline, and fish unescapes `\\` and `\'`; so these are octal, and so
 * is everything that is not ASCII.
 */
function neutralWord(text: string): string {
  if (text.includes('\0')) throw nulInCommand();
  const octal = (byte: number): string => `\\0${byte.toString(8).padStart(3, '0')}`;
  const bytes = [...Buffer.from(text)].map((byte) => {
    const char = String.fromCharCode(byte);
    return byte < 0x20 || byte > 0x7e || /['\\!]/.test(char) ? octal(byte) : char;
  });
  return `'${bytes.join('')}'`;
}
