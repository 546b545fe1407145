import { badPattern } from '../errors/gerrit.ts';
import { escapeRegExp } from '../util/escape-regexp.ts';

/** One row of a list of projects or branches. */
export interface PatternRow {
  match: 'exact' | 'glob' | 'regex';
  pattern: string;
}

/** In a glob `*` matches any characters (including slashes, so that `openstack/*` and `*` work) and `?` one. */
const globSource = (glob: string): string =>
  escapeRegExp(glob.replace(/\*+/g, '*')).replaceAll('\\*', '.*').replaceAll('\\?', '.');

function compileRow(row: PatternRow, index: number): (value: string) => boolean {
  if (row.pattern === '') throw badPattern(index, row.pattern, 'it is empty');
  if (row.match === 'exact') return (value) => value === row.pattern;
  let expression: RegExp;
  try {
    // As in Gerrit, an expression must match the whole name.
    expression = new RegExp(`^(?:${row.match === 'glob' ? globSource(row.pattern) : row.pattern})$`, 's');
  } catch (error) {
    throw badPattern(index, row.pattern, error);
  }
  return (value) => expression.test(value);
}

/**
 * Compiles rows of patterns into a test whether any of them matches. As in Gerrit, a regular expression must match the
 * whole value. Without rows nothing matches, and undefined never does.
 *
 * @throws CiError naming the row that cannot be parsed
 */
export function compilePatterns(rows: readonly PatternRow[]): (value: string | undefined) => boolean {
  const tests = rows.map(compileRow);
  return (value) => value !== undefined && tests.some((test) => test(value));
}
