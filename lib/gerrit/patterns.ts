import { badPattern } from '../errors/gerrit.ts';
import { escapeRegExp } from '../util/escape-regexp.ts';

/** One row of a list of projects or branches. */
export interface PatternRow {
  match: 'exact' | 'glob' | 'regex';
  pattern: string;
}

/** In a glob `*` stands for any characters (a slash too, so that `openstack/*` and `*` work) and `?` for one. */
const globSource = (glob: string): string =>
  escapeRegExp(glob.replace(/\*+/g, '*')).replaceAll('\\*', '.*').replaceAll('\\?', '.');

function compileRow(row: PatternRow, index: number): (value: string) => boolean {
  if (row.pattern === '') throw badPattern(index, row.pattern, 'it is empty');
  if (row.match === 'exact') return (value) => value === row.pattern;
  let expression: RegExp;
  try {
    // As in Gerrit, an expression stands for the whole name.
    expression = new RegExp(`^(?:${row.match === 'glob' ? globSource(row.pattern) : row.pattern})$`, 's');
  } catch (error) {
    throw badPattern(index, row.pattern, error);
  }
  return (value) => expression.test(value);
}

/**
 * Compiles rows of patterns into a test that says whether any of them fits. A regular expression must fit the whole
 * value, as in Gerrit. No rows fit nothing, and nothing fits undefined.
 *
 * @throws CiError that names the row which cannot be read
 */
export function compilePatterns(rows: readonly PatternRow[]): (value: string | undefined) => boolean {
  const tests = rows.map(compileRow);
  return (value) => value !== undefined && tests.some((test) => test(value));
}
