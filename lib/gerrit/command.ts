import { emptyArgument } from '../errors/gerrit.ts';

/**
 * The argument array of a Gerrit command. Gerrit's command line keeps whatever stands in POSIX single quotes, which
 * lib/ssh puts there, with one exception: an empty argument vanishes and the next one takes its place
 * (`review -m '' 1,2`). So an empty one is refused here.
 *
 * @throws CiError for an empty argument
 */
export function gerritCommand(command: string, ...args: string[]): string[] {
  if (args.includes('')) throw emptyArgument(command);
  return ['gerrit', command, ...args];
}
