/** Validators of settings: each returns true, or the reason in words. */
import { type Column, NETWORK_COLUMNS, type Row, rowReasons } from './columns.ts';
import type { EditorNode, Verdict } from './editor-node.ts';
import { applies, current, fromEnvironment, isEmpty, type Rule, reasonOf, type When, wrongReference } from './rules.ts';
import { say, sayOf } from './words.ts';

/** What a setting must be; `when` are other settings under which it matters. */
export type SettingRule = Rule & { when?: When };

const labelOf = (node: EditorNode, property: string): string => sayOf(node, `label.${property}`);

/** Checks a setting by a rule. */
export function check(node: EditorNode, property: string, value: unknown, rule: SettingRule): true | string {
  if (rule.when && !applies(node, rule.when)) return true;
  const own: Rule = { say: (key, values) => sayOf(node, key, values), ...rule };
  return reasonOf(labelOf(node, property), value, own) ?? true;
}

/** Checks a pasted private key: there is one, here or in a file, and it is the private half. */
export function checkKey(node: EditorNode, value: unknown, when: When = {}): true | string {
  if (!applies(node, when) || value === '__PWRD__' || fromEnvironment(value)) return true;
  if (isEmpty(value)) return isEmpty(current(node, 'keyFile')) ? say('reason.noKey') : true;
  const key = String(value).trim();
  if (/^(ssh-|ecdsa-|sk-)/.test(key)) return say('reason.publicHalf');
  return /^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key) || say('reason.notAKey');
}

/** Collects reasons of a list's rows into a verdict; `reasons(row)` returns those of one row. */
export function checkEach<Item>(
  node: EditorNode,
  property: string,
  rows: unknown,
  reasons: (row: Item) => string[],
  least = 0,
): true | string | string[] {
  const label = labelOf(node, property);
  if (!Array.isArray(rows) || rows.length < least) return say('reason.atLeastOne', { label });
  const all = (rows as Item[]).flatMap((item, index) =>
    reasons(item).map((reason) => say('reason.row', { label, row: index + 1, reason })),
  );
  return all.length === 0 || all;
}

/** Checks a list of rows by its columns. `least` is how many rows there must be. */
export const checkRows = (
  node: EditorNode,
  property: string,
  rows: unknown,
  columns: readonly Column[],
  least = 0,
): true | string | string[] =>
  checkEach<Row>(node, property, rows, (row) => Object.values(rowReasons(columns, row)), least);

/** Checks a group of boxes of which at least one must be ticked; the first property names the group. */
export const checkTicked = (node: EditorNode, properties: readonly [string, ...string[]]): true | string =>
  properties.some((property) => current(node, property)) || say('reason.tick', { label: labelOf(node, properties[0]) });

/** Checks a flat array of ids of configuration nodes. */
export function checkReferences(node: EditorNode, property: string, ids: unknown, type: string): true | string {
  const label = labelOf(node, property);
  if (!Array.isArray(ids) || ids.length === 0) return say('reason.choose', { label, type });
  return ids.map((id) => wrongReference(label, type, id)).find(Boolean) ?? true;
}

const isPrivate = (row: Row): boolean => (row['source'] ?? '').endsWith('%');

/** Checks a guest's networks: at least one, and one of them not private, since nobody reaches a guest over those. */
export function checkNetworks(node: EditorNode, property: string, rows: unknown): Verdict {
  const verdict = checkRows(node, property, rows, NETWORK_COLUMNS, 1);
  if (verdict !== true || !(rows as Row[]).every(isPrivate)) return verdict;
  return say('reason.onlyPrivate', { label: labelOf(node, property) });
}

/** Returns what is unusual about a guest's networks: cloud images ask for an address on their first card only. */
export function doubtNetworks(node: EditorNode, property: string, rows: Row[]): string | undefined {
  if (!Array.isArray(rows) || rows.length < 2 || !isPrivate(rows[0]!)) return undefined;
  const network = rows.find((row) => !isPrivate(row))?.['source'];
  return network === undefined ? undefined : say('doubt.privateFirst', { label: labelOf(node, property), network });
}

/** What a guest's CPU model must be. QEMU's additions to a model (qemu64,+avx) are not understood by libvirt. */
export const CPU_MODEL: Rule = {
  optional: true,
  pattern: /^\s*(?!x86-64(?!-v[1-4]\s*$))[A-Za-z0-9][\w.-]*\s*$/i,
  says: 'cpuModel',
};

/** What a guest's firmware must be. */
export const FIRMWARE: Rule = { optional: true, pattern: /^(bios|uefi)$/i, says: 'firmware' };

/** What a path on the controller must be. */
export const ABSOLUTE_PATH: Rule = { pattern: /^([/~]|[A-Za-z]:)/, says: 'absolute' };
