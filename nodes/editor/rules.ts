/** What a setting may be. */

import type { EditorNode, Values } from './editor-node.ts';
import { formOf } from './form.ts';
import { say } from './words.ts';

/** What a setting must be to work. */
export interface Rule {
  /** Whether it may be empty. */
  optional?: boolean;
  /** A whole number: the least and the largest. */
  whole?: [number, number];
  /** What its text must match; `says` is the key of the reason, `reason.<says>`. */
  pattern?: RegExp;
  says?: string;
  /** Whether it is itself a regular expression. */
  regex?: boolean;
  /** The type of the configuration node whose id it is. */
  config?: string;
  /** Where the reason is found; the shared texts if it is missing. */
  say?(key: string, values?: Values): string;
}

/** Settings and the value, or values, of each under which another setting matters. */
export type When = Record<string, unknown>;

/** Whether a value is filled in by Node-RED when the flow starts, so that nothing can be said about it here. */
export const fromEnvironment = (value: unknown): boolean => /^\$\{[^}]+\}$/.test(String(value));

export const isEmpty = (value: unknown): boolean =>
  value === undefined || value === null || String(value).trim() === '';

/** Returns a setting as it stands in the node's open form; as it was saved if no form is open. */
export function current(node: EditorNode, property: string): unknown {
  const form = formOf(node);
  return form ? form.value(property) : node[property];
}

/** Whether a node's settings are such that another one matters. */
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

/** Returns why an id names no configuration node that works; undefined if it does. */
export function wrongReference(label: string, type: string, id: unknown): string | undefined {
  if (isEmpty(id) || id === '_ADD_') return say('reason.choose', { label, type });
  const target = RED.nodes.node(id);
  if (!target) return say('reason.gone', { label, type });
  if (target.valid !== false) return undefined;
  return say('reason.inside', { label, name: RED.utils.getNodeLabel(target, String(id)) });
}

/** Returns the reason why a value cannot work; undefined if it can. `label` is what the form calls the setting. */
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
