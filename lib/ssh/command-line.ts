import { randomBytes } from 'node:crypto';
import { nulInCommand } from '../errors/ssh-command.ts';
import { quote } from './quote.ts';

/** A command as a login shell gets it, and the lines that are printed right before the program runs. */
export interface MarkedCommand {
  line: string;
  /** The line on stdout, its newline included: what comes before it is not the program's. */
  stdoutMark: string;
  /** The same on stderr. It differs, since a wrapper may join both streams. */
  stderrMark: string;
}

/** Adds the usual folders to a PATH without /usr/bin, which a start-up file of the shell has broken. */
const COMPLETE_PATH =
  'case ":$PATH:" in *:/usr/bin:*) ;; *) PATH=${PATH:+$PATH:}/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin; export PATH ;; esac';

/**
 * Returns the command line that runs a program through an unknown login shell. sshd gives it to that shell with `-c`
 * (session.c), after the shell has run its own start-up files: bash reads ~/.bashrc, zsh ~/.zshenv, csh ~/.cshrc, fish
 * config.fish, and each may print what it likes. So /bin/sh runs the program, and prints the marks first.
 *
 * The mark does not stand in the line itself: `set -x` in a start-up file prints the line.
 *
 * @param isOurs whether it is a program of ours, which needs a PATH that works; else it gets the login's own
 * @throws CiError for NUL, which no argument can hold
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
 * One word in single quotes that every shell reads alike, and that `printf %b` turns into the text again. Within single
 * quotes csh expands `!` and takes no newline, and fish unescapes `\\` and `\'`; so these are octal, and so is all that
 * is not ASCII.
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
