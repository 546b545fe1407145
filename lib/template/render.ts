import Mustache from 'mustache';
import { badTemplate, unescapedTag } from '../errors/template.ts';
import { quoteWord } from '../util/shell-quote.ts';

/** What a template produces, which decides how its values are escaped. */
export type TemplateKind = 'text' | 'xml' | 'yaml' | 'shell';

const XML_ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&apos;' };

const escapes: Record<TemplateKind, (value: unknown) => string> = {
  text: (value) => String(value),
  // XML 1.0 cannot represent these control characters.
  xml: (value) =>
    String(value)
      .replace(/[\u0000-\u0008\u000b\u000c\u000e-\u001f]/g, '')
      .replace(/[&<>"']/g, (c) => XML_ENTITIES[c]!),
  // Every JSON string is a valid YAML flow scalar.
  yaml: (value) => JSON.stringify(String(value)),
  shell: (value) => quoteWord(String(value)),
};

type Token = [type: string, value: string, start: number, end: number, children?: Token[]];

function findUnescaped(tokens: Token[]): string | undefined {
  for (const token of tokens) {
    if (token[0] === '&') return token[1];
    const inside = Array.isArray(token[4]) ? findUnescaped(token[4]) : undefined;
    if (inside) return inside;
  }
  return undefined;
}

/**
 * Renders a mustache template. The kind decides how values are escaped: not at all for text, entities for XML, a JSON
 * string for YAML, single quotes for a shell. An unescaped tag ({{{x}}}, {{&x}}) is refused except in text, because a
 * value from outside could break out of its context. Partials are not loaded.
 *
 * @throws CiError if the template does not parse or contains an unescaped tag
 */
export function render(kind: TemplateKind, template: string, view: object): string {
  let tokens: Token[];
  try {
    tokens = Mustache.parse(template) as Token[];
  } catch (error) {
    throw badTemplate(kind, error);
  }
  const open = kind === 'text' ? undefined : findUnescaped(tokens);
  if (open !== undefined) throw unescapedTag(kind, open);
  return Mustache.render(template, view, {}, { escape: escapes[kind] });
}
