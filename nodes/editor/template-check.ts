/** Validators of templates: settings with {{tags}} in them. */
import { check, type SettingRule } from './check.ts';
import type { EditorNode, Verdict } from './editor-node.ts';
import { formOf } from './form.ts';
import { fromEnvironment, isEmpty } from './rules.ts';
import { ask } from './server.ts';
import { say, sayOf } from './words.ts';

/** Milliseconds without a change before the runtime is asked. */
const TYPING_PAUSE_MS = 400;

/** What user-data may begin with, as cloud-init tells its kinds apart. */
const USER_DATA_KINDS =
  /^(#cloud-config|#!|#include|#part-handler|#cloud-boothook|## template: jinja|Content-Type:|MIME-Version:|From )/;

/** Returns what is wrong with a template's tags: one without an end, a section not closed, or closed wrongly. */
function wrongTags(text: string): { says: string; name?: string } | undefined {
  const sections: string[] = [];
  const rest = text.replace(/\{\{\{?\s*([#^/!&>]?)\s*([^{}]*?)\s*\}?\}\}/g, (_tag, sign: string, name: string) => {
    if (sign === '#' || sign === '^') sections.push(name);
    if (sign === '/' && sections.at(-1) === name) sections.pop();
    else if (sign === '/') sections.unshift(name);
    return '';
  });
  if (/\{\{|\}\}/.test(rest)) return { says: 'tag' };
  return sections.length > 0 ? { says: 'section', name: sections.at(-1)! } : undefined;
}

/** Checks a mustache template of one line or a few: every tag ends, every section is closed. */
export function checkTemplate(node: EditorNode, property: string, value: unknown, rule: SettingRule = {}): Verdict {
  const wrong = wrongTags(String(value ?? ''));
  const label = sayOf(node, `label.${property}`);
  return wrong ? say(`reason.${wrong.says}`, { label, ...wrong }) : check(node, property, value, rule);
}

/** What the runtime said of user-data texts: the reason in words, or undefined for one that is fine. */
const verdicts = new Map<string, string | undefined>();
let asking: ReturnType<typeof setTimeout>;

/**
 * Returns why cloud-init would reject a text, if the runtime was asked already: it is, while the node's form is open.
 */
function userDataVerdict(node: EditorNode, text: string): string | undefined {
  if (verdicts.has(text)) return verdicts.get(text);
  const form = formOf(node);
  if (!form || isEmpty(text) || fromEnvironment(text)) return undefined;
  clearTimeout(asking);
  asking = setTimeout(async () => {
    const answer = await ask('POST', 'check/user-data', { text }).catch(() => undefined);
    if (!answer) return;
    verdicts.set(text, answer.ok ? undefined : answer.error);
    form.later();
  }, TYPING_PAUSE_MS);
  return undefined;
}

/** Checks user-data: empty, or of a kind that cloud-init takes, with no unescaped tag; a #cloud-config is YAML. */
export function checkUserData(node: EditorNode, property: string, value: unknown): Verdict {
  const text = String(value ?? '');
  if (/\{\{[{&]/.test(text)) return say('reason.unescaped', { label: sayOf(node, `label.${property}`) });
  const rule = { optional: true, pattern: USER_DATA_KINDS, says: 'userData' };
  const plain = checkTemplate(node, property, text, rule);
  return plain === true ? (userDataVerdict(node, text) ?? true) : plain;
}
