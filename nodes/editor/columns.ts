/** Columns of the lists in forms. */
import { type Rule, reasonOf } from './rules.ts';
import { say } from './words.ts';

/** A row of a list, as it is saved. */
export type Row = Record<string, string>;

/** A column of a list: one field of each row. */
export interface Column {
  /** The property of the row. */
  key: string;
  /** What kind of field it is; text if it is missing. `typed` is a text with a type beside it. */
  kind?: 'text' | 'secret' | 'typed';
  /** Of a typed one: the property of its type, and the types. */
  typeKey?: string;
  types?: string[];
  /** Key of its name among the shared texts; `own`: in the node's own locale. */
  say?: string;
  own?: string;
  narrow?: boolean;
  /** Returns why its value cannot work; undefined if it can. */
  check?(value: string, row: Row): string | undefined;
}

/** Returns the reasons why a row cannot work, by column key. */
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

/** What the name of an environment variable must be. */
export const VARIABLE_NAME: Rule = { pattern: /^[A-Za-z_][A-Za-z0-9_]*$/, says: 'variable' };

/** What the name of a guest must be. */
export const GUEST_NAME: Rule = { pattern: /^[a-z][a-z0-9-]*$/, says: 'guestName' };

/** What public keys of the operator must be: not the private halves. */
export const AUTHORIZED_KEYS: Rule = { optional: true, pattern: /^(?![\s\S]*PRIVATE KEY)/, says: 'privateHalf' };

/** The name of an environment variable. */
export const NAME_COLUMN: Column = { key: 'name', say: 'rows.name', check: checkBy('rows.name', VARIABLE_NAME) };

/** Environment variables. */
export const ENV_COLUMNS: Column[] = [NAME_COLUMN, { key: 'value', say: 'rows.value' }];

/** Patterns for projects or branches. */
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

/** A guest's network cards. */
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
