/** Validators of templates: settings that contain {{tags}}. */
import { check, type SettingRule } from './check.ts';
import type { EditorNode, Verdict } from './editor-node.ts';
import { formOf } from './form.ts';
import { fromEnvironment, isEmpty } from './rules.ts';
import { ask } from './server.ts';
import { say, sayOf } from './words.ts';

/** How long a text must stay unchanged before the runtime is asked to check it. */
const TYPING_PAUSE_MS = 400;

/**
 * Beginnings by which cloud-init detects the kind of user-data. The runtime's rules (lib/metadata/user-data.ts) differ:
 * they ignore case, accept any `## template:`, and require `#cloud-config` to be the whole line.
 */
const USER_DATA_KINDS =
  /^(#cloud-config|#!|#include|#part-handler|#cloud-boothook|## template: jinja|Content-Type:|MIME-Version:|From )/;

/** Returns the error in a template's tags: an incomplete tag, or a section that is not opened and closed in order. */
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

/** Checks a setting that is a Mustache template: its tags are complete, its sections closed, and the rule is met. */
export function checkTemplate(node: EditorNode, property: string, value: unknown, rule: SettingRule = {}): Verdict {
  const wrong = wrongTags(String(value ?? ''));
  const label = sayOf(node, `label.${property}`);
  return wrong ? say(`reason.${wrong.says}`, { label, ...wrong }) : check(node, property, value, rule);
}

/** Validates a user-data setting. */
type UserDataValidator = (node: EditorNode, property: string, value: unknown) => Verdict;

/**
 * Makes a validator of user-data: empty, or of a kind that cloud-init knows, without unescaped tags. While the form is
 * open, it also asks the runtime to check the text, for example that a #cloud-config is YAML. It remembers the answers,
 * so that a node stays marked as invalid after its form is closed.
 */
export function userDataValidator(): UserDataValidator {
  /** Error messages by text; undefined for valid texts. */
  const known = new Map<string, string | undefined>();
  let timer: ReturnType<typeof setTimeout> | undefined;

  /** Returns the runtime's error message for a text. If it is not known yet, asks for it and refreshes the form. */
  const runtimeError = (node: EditorNode, text: string): string | undefined => {
    if (known.has(text)) return known.get(text);
    const form = formOf(node);
    if (!form || isEmpty(text) || fromEnvironment(text)) return undefined;
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const answer = await ask('POST', 'check/user-data', { text }).catch(() => undefined);
      if (!answer) return;
      known.set(text, answer.ok ? undefined : answer.error);
      form.later();
    }, TYPING_PAUSE_MS);
    return undefined;
  };

  return (node, property, value) => {
    const text = String(value ?? '');
    if (/\{\{[{&]/.test(text)) return say('reason.unescaped', { label: sayOf(node, `label.${property}`) });
    const rule = { optional: true, pattern: USER_DATA_KINDS, says: 'userData' };
    const plain = checkTemplate(node, property, text, rule);
    return plain === true ? (runtimeError(node, text) ?? true) : plain;
  };
}
