import { CiError, messageOf } from './ci-error.ts';

export const badTemplate = (kind: string, cause: unknown): CiError =>
  new CiError({
    code: 'template/syntax',
    message: `This ${kind} template cannot be read: ${messageOf(cause)}. Look for a tag {{…}} that is not closed.`,
    result: 'ERROR',
    cause,
  });

export const unescapedTag = (kind: string, name: string): CiError =>
  new CiError({
    code: 'template/unescaped',
    message: `This ${kind} template puts "${name}" in unescaped. Write {{${name}}}: values come from outside and must be escaped.`,
    result: 'ERROR',
  });
