/** Errors of templates. */
import { CiError, messageOf } from './ci-error.ts';

/** A template of the user has a syntax error. @param kind "xml" */
export const badTemplate = (kind: string, cause: unknown): CiError =>
  new CiError({
    code: 'template/syntax',
    blame: 'config',
    message: `This ${kind} template cannot be parsed: ${messageOf(cause)}.`,
    advice: 'Look for a tag {{…}} that is not closed.',
    cause,
  });

/** A template of the user contains a tag that would insert a value unescaped, such as {{{name}}}. */
export const unescapedTag = (kind: string, name: string): CiError =>
  new CiError({
    code: 'template/unescaped',
    blame: 'config',
    message: `This ${kind} template inserts "${name}" unescaped, but values come from outside and must be escaped.`,
    advice: `Write {{${name}}}.`,
  });
