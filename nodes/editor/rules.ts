/** Rules for settings. */
import type { EditorNode, Values } from './editor-node.ts';
import { formOf } from './form.ts';
import { say } from './words.ts';

/** Conditions that a setting must meet to be valid. */
export interface Rule {
  /** Whether the value may be empty. */
  optional?: boolean;
  /** The value must be a whole number from the first to the second. */
  whole?: [number, number];
  /** Pattern that the value must match; the error message is the text `reason.<says>`. */
  pattern?: RegExp;
  says?: string;
  /** Whether the value must be a regular expression. */
  regex?: boolean;
  /** The value must be the id of a configuration node of this type. */
  config?: string;
  /** Looks up the error message of `pattern`; by default, in the shared texts. */
  say?(key: string, values?: Values): string;
}

/** Settings, each with the value or values under which another setting applies. */
export type When = Record<string, unknown>;

/** Returns whether a value is an environment variable such as `${HOST}`. Node-RED replaces it when the flow starts. */
export const fromEnvironment = (value: unknown): boolean => /^\$\{[^}]+\}$/.test(String(value));

/** Returns whether a value is missing or contains only white space. */
export const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || String(value).trim() === '';

/** Returns the value of a setting in the node's open form, or its saved value if no form is open. */
export function current(node: EditorNode, property: string): unknown {
  const form = formOf(node);
  return form ? form.value(property) : node[property];
}

/** Returns whether a node's settings have the values in `when`. */
export const applies = (node: EditorNode, when: When): boolean =>
  Object.entries(when).every(([property, wanted]) => [wanted].flat().includes(current(node, property)));

function wrongRegex(text: string): string | undefined {
  try {
    new RegExp(text);
    return undefined;
  } catch (error) {
    return (error as Error).message.replace(/^Invalid regular expression: /, '');
  }
}

/** Returns an error message if an id does not name a valid configuration node. `label` is the name of the setting. */
export function wrongReference(label: string, type: string, id: unknown): string | undefined {
  if (isEmpty(id) || id === '_ADD_') return say('reason.choose', { label, type });
  const target = RED.nodes.node(id);
  if (!target) return say('reason.gone', { label, type });
  if (target.valid !== false) return undefined;
  return say('reason.inside', { label, name: RED.utils.getNodeLabel(target, String(id)) });
}

/** Returns an error message if a value breaks a rule. `label` is the name of the setting in the form. */
export function reasonOf(label: string, value: unknown, rule: Rule): string | undefined {
  if (fromEnvironment(value)) return undefined;
  if (rule.config) {
    if (rule.optional && (isEmpty(value) || value === '_ADD_')) return undefined;
    return wrongReference(label, rule.config, value);
  }
  if (isEmpty(value)) return rule.optional ? undefined : say('reason.missing', { label });
  const text = String(value);
  if (rule.whole) {
    const [least, most] = rule.whole;
    const number = Number(text);
    if (!/^\s*-?\d+\s*$/.test(text) || number < least || number > most) {
      const key = most === Number.POSITIVE_INFINITY ? 'reason.wholeFrom' : 'reason.whole';
      return say(key, { label, least, most, value: text });
    }
  }
  if (rule.pattern && !rule.pattern.test(text)) {
    return (rule.say ?? say)(`reason.${rule.says}`, { label, value: text });
  }
  const error = rule.regex ? wrongRegex(text) : undefined;
  return error === undefined ? undefined : say('reason.regex', { label, error });
}
