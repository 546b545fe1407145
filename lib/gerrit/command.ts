import { emptyArgument } from '../errors/gerrit.ts';

/**
 * Returns the argument array of a Gerrit command. Gerrit's command line preserves anything in POSIX single quotes,
 * which lib/ssh adds, with one exception: an empty argument vanishes and the next one takes its place (`review -m ''
 * 1,2`). So empty ones are refused.
 *
 * @throws CiError for an empty argument
 */
export function gerritCommand(command: string, ...args: string[]): string[] {
  if (args.includes('')) throw emptyArgument(command);
  return ['gerrit', command, ...args];
}
