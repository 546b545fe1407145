import type { EditorNode, Values, Verdict } from '../editor/editor-node.ts';
import { fromEnvironment } from '../editor/rules.ts';
import { checkTemplate } from '../editor/template-check.ts';
import { sayOf } from '../editor/words.ts';

/** Tags by which a domain is recognized and removed after a crash. The template must contain all of them. */
const OWNER_TAGS = [
  /\{\{\s*controller\s*\}\}/,
  /\{\{\s*build\s*\}\}/,
  /\{\{\s*attempt\s*\}\}/,
  /\{\{\s*namespace\s*\}\}|node-red-gerrit-ci\/owner/,
];

/** Returns the browser's error message for XML that is not well-formed. */
function wrongXml(text: string): string | undefined {
  const fault = new DOMParser().parseFromString(text, 'application/xml').querySelector('parsererror')?.textContent;
  if (fault === undefined || fault === null) return undefined;
  return /error on line.*?(?=Below is|\n|$)/.exec(fault)?.[0] ?? fault.trim();
}

/** Renders the template with placeholder values, without the sections of one kind ({{#}} or {{^}}). */
function without(text: string, sign: '#' | '^'): string {
  const section = new RegExp(`\\{\\{\\${sign}\\s*([^{}]*?)\\s*\\}\\}[\\s\\S]*?\\{\\{/\\s*\\1\\s*\\}\\}`, 'g');
  return text
    .replace(section, '')
    .replace(/\{\{\s*[#^/!][^{}]*\}\}/g, '')
    .replace(/\{\{[^{}]*\}\}/g, 'x');
}

/** Checks the template of a domain: empty, or well-formed XML with the tags by which a guest is recognized. */
export function checkDomain(node: EditorNode, value: unknown): Verdict {
  const text = String(value ?? '');
  const say = (key: string, values?: Values): string => sayOf(node, `error.${key}`, values);
  const verdict = checkTemplate(node, 'template', value, { optional: true });
  if (verdict !== true || text.trim() === '' || fromEnvironment(text)) return verdict;
  if (/\{\{[{&]/.test(text)) return say('unescaped');
  const error = wrongXml(without(text, '^')) && wrongXml(without(text, '#'));
  if (error) return say('xml', { error });
  if (!/<name>\{\{\s*name\s*\}\}<\/name>/.test(text)) return say('name');
  return OWNER_TAGS.every((tag) => tag.test(text)) || say('owner');
}
