/** Columns of lists in forms. */
import { type Rule, reasonOf } from './rules.ts';
import { say } from './words.ts';

/** A row of a list, as saved. */
export type Row = Record<string, string>;

/** A column of a list: one field of each row. */
export interface Column {
  /** The property of the row that holds the value. */
  key: string;
  /** The kind of field, by default `text`. `typed` is a text with a choice of types. */
  kind?: 'text' | 'secret' | 'typed';
  /** Only for `typed`: the property that holds the type (by default `type`), and the types. */
  typeKey?: string;
  types?: string[];
  /** Key of the column's name in the shared texts, or with `own` in the node type's locale. */
  say?: string;
  own?: string;
  narrow?: boolean;
  /** Returns an error message if the value is not valid. */
  check?(value: string, row: Row): string | undefined;
}

/** Returns the errors of a row, by column key. */
export function rowReasons(columns: readonly Column[], row: Row): Record<string, string> {
  const reasons: Record<string, string> = {};
  for (const column of columns) {
    const reason = column.check?.(row[column.key] ?? '', row);
    if (reason) reasons[column.key] = reason;
  }
  return reasons;
}

const checkBy =
  (labelKey: string, rule: Rule) =>
  (value: string): string | undefined =>
    reasonOf(say(labelKey), value, rule);

/** Rule for the name of an environment variable. */
export const VARIABLE_NAME: Rule = { pattern: /^[A-Za-z_][A-Za-z0-9_]*$/, says: 'variable' };

/** Rule for the name of a guest. */
export const GUEST_NAME: Rule = { pattern: /^[a-z][a-z0-9-]*$/, says: 'guestName' };

/** Rule for the operator's public keys: no private key among them. */
export const AUTHORIZED_KEYS: Rule = { optional: true, pattern: /^(?![\s\S]*PRIVATE KEY)/, says: 'privateHalf' };

/** Column for the name of an environment variable. */
export const NAME_COLUMN: Column = { key: 'name', say: 'rows.name', check: checkBy('rows.name', VARIABLE_NAME) };

/** Columns of a list of environment variables. */
export const ENV_COLUMNS: Column[] = [NAME_COLUMN, { key: 'value', say: 'rows.value' }];

/** Columns of a list of patterns for projects or branches. */
export const PATTERN_COLUMNS: Column[] = [
  {
    key: 'pattern',
    kind: 'typed',
    typeKey: 'match',
    types: ['exact', 'glob', 'regex'],
    say: 'rows.pattern',
    check: (value, row) => reasonOf(say('rows.pattern'), value, { regex: row['match'] === 'regex' }),
  },
];

/** Columns of the list of a guest's network cards. */
export const NETWORK_COLUMNS: Column[] = [
  {
    key: 'source',
    say: 'rows.network',
    check: checkBy('rows.network', { pattern: /^([\w.-]+|[A-Za-z0-9][\w.-]{0,10}%)$/, says: 'network' }),
  },
  {
    key: 'mac',
    say: 'rows.mac',
    check: checkBy('rows.macName', {
      optional: true,
      pattern: /^[0-9a-f][02468ace]([:-][0-9a-f]{2}){5}$/i,
      says: 'mac',
    }),
  },
];
