import { badRecheck } from '../../errors/gerrit.ts';
import { escapeRegExp } from '../../util/escape-regexp.ts';

/** Returns the CI's name as an expression: people write `Acme CI`, `acme-ci` and `acme_ci` for the same one. */
const nameSource = (name: string): string =>
  name
    .split(/[\s_-]+/)
    .filter((word) => word !== '')
    .map(escapeRegExp)
    .join('[ \\t_-]+');

/**
 * Returns the expression that a line of a comment must match to run the builds again. By default it matches the forms
 * that reviewers use, in upper or lower case, with nothing else on the line: `recheck`, `recheck no bug`,
 * `recheck bug 123`, and with the CI's name `recheck <ci>`, `<ci> recheck`, `run <ci>`, `run-<ci>`, `check <ci>`. A
 * `recheck` with the name of another CI does not match.
 *
 * @param custom the operator's own expression, matched against each line, ignoring case
 * @throws CiError if the custom expression cannot be parsed
 */
export function recheckPattern(ciName: string, custom?: string): RegExp {
  if (custom) {
    try {
      return new RegExp(custom, 'im');
    } catch (error) {
      throw badRecheck(custom, error);
    }
  }
  const name = nameSource(ciName);
  const forms = ['recheck(?:[ \\t]+(?:no[ \\t]+bug|bug[ \\t]+#?\\d+))?'];
  if (name !== '') forms.push(`(?:recheck|check|run)[ \\t]+${name}`, `run-${name}`, `${name}[ \\t]+recheck`);
  return new RegExp(`^[ \\t]*(?:${forms.join('|')})[ \\t.!]*$`, 'im');
}
