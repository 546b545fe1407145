import { fatal } from '../model/refusal.ts';

/** An option of a command. */
interface Option {
  /** All its names; messages use the first. */
  names: readonly string[];
  /** Whether it takes a value. */
  value?: boolean;
}

/** A parsed command line. */
export interface Parsed {
  /** Values by the option's first name; '' for a flag. */
  options: Map<string, string[]>;
  /** Everything else, in order. */
  args: string[];
}

/**
 * Parses a command's options like Gerrit (args4j): `--name value`, `--name=value`, `-n value`; `--` ends them; options
 * may follow arguments.
 *
 * @throws Refusal with the real server's message for an unknown option or a missing value
 */
export function parseOptions(words: readonly string[], options: readonly Option[]): Parsed {
  const parsed: Parsed = { options: new Map(), args: [] };
  for (let i = 0; i < words.length; i++) {
    const word = words[i]!;
    if (word === '--') return { ...parsed, args: [...parsed.args, ...words.slice(i + 1)] };
    if (!word.startsWith('-') || word === '-') {
      parsed.args.push(word);
      continue;
    }
    const equals = word.startsWith('--') ? word.indexOf('=') : -1;
    const name = equals < 0 ? word : word.slice(0, equals);
    const option = options.find((one) => one.names.includes(name));
    if (!option) throw fatal(`"${word}" is not a valid option`);
    const [first, second] = option.names;
    let value = '';
    if (option.value) {
      const given = equals < 0 ? words[++i] : word.slice(equals + 1);
      if (given === undefined) throw fatal(`Option "${second ? `${first} (${second})` : first}" takes an operand`);
      value = given;
    }
    parsed.options.set(first!, [...(parsed.options.get(first!) ?? []), value]);
  }
  return parsed;
}

/** Returns the last value of an option. */
export const lastOf = (parsed: Parsed, name: string): string | undefined => parsed.options.get(name)?.at(-1);
