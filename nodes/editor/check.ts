/** Validators of settings. Each returns true or an error message. */
import { type Column, NETWORK_COLUMNS, type Row, rowReasons } from './columns.ts';
import type { EditorNode, Verdict } from './editor-node.ts';
import { applies, current, fromEnvironment, isEmpty, type Rule, reasonOf, type When, wrongReference } from './rules.ts';
import { say, sayOf } from './words.ts';

/** A rule that applies only while the settings in `when` have the given values. */
export type SettingRule = Rule & { when?: When };

const labelOf = (node: EditorNode, property: string): string => sayOf(node, `label.${property}`);

/** Checks a setting against a rule. */
export function check(node: EditorNode, property: string, value: unknown, rule: SettingRule): true | string {
  if (rule.when && !applies(node, rule.when)) return true;
  const own: Rule = { say: (key, values) => sayOf(node, key, values), ...rule };
  return reasonOf(labelOf(node, property), value, own) ?? true;
}

/** Checks that a private key is set, pasted or as a key file, and that a pasted one is not the public half. */
export function checkKey(node: EditorNode, value: unknown, when: When = {}): true | string {
  if (!applies(node, when) || value === '__PWRD__' || fromEnvironment(value)) return true;
  if (isEmpty(value)) return isEmpty(current(node, 'keyFile')) ? say('reason.noKey') : true;
  const key = String(value).trim();
  if (/^(ssh-|ecdsa-|sk-)/.test(key)) return say('reason.publicHalf');
  return /^-----BEGIN [A-Z ]*PRIVATE KEY-----/.test(key) || say('reason.notAKey');
}

/**
 * Checks each row of a list.
 *
 * @param reasons returns the errors of one row
 * @param least the minimum number of rows
 */
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

/** Checks the rows of a list against its columns. `least` is the minimum number of rows. */
export const checkRows = (
  node: EditorNode,
  property: string,
  rows: unknown,
  columns: readonly Column[],
  least = 0,
): true | string | string[] =>
  checkEach<Row>(node, property, rows, (row) => Object.values(rowReasons(columns, row)), least);

/** Checks that at least one checkbox of a group is ticked. The label of the first one names the group. */
export const checkTicked = (node: EditorNode, properties: readonly [string, ...string[]]): true | string =>
  properties.some((property) => current(node, property)) || say('reason.tick', { label: labelOf(node, properties[0]) });

/** Checks an array of ids of configuration nodes: not empty, and each id names a valid node of the type. */
export function checkReferences(node: EditorNode, property: string, ids: unknown, type: string): true | string {
  const label = labelOf(node, property);
  if (!Array.isArray(ids) || ids.length === 0) return say('reason.choose', { label, type });
  return ids.map((id) => wrongReference(label, type, id)).find(Boolean) ?? true;
}

const isPrivate = (row: Row): boolean => (row['source'] ?? '').endsWith('%');

/** Checks a guest's networks: at least one, and not only private bridges, over which the guest cannot be reached. */
export function checkNetworks(node: EditorNode, property: string, rows: unknown): Verdict {
  const verdict = checkRows(node, property, rows, NETWORK_COLUMNS, 1);
  if (verdict !== true || !(rows as Row[]).every(isPrivate)) return verdict;
  return say('reason.onlyPrivate', { label: labelOf(node, property) });
}

/**
 * Returns a warning if a guest's first network is a private bridge: cloud images request an address on their first card
 * only.
 */
export function networkWarning(node: EditorNode, property: string, rows: Row[]): string | undefined {
  if (!Array.isArray(rows) || rows.length < 2 || !isPrivate(rows[0]!)) return undefined;
  const network = rows.find((row) => !isPrivate(row))?.['source'];
  return network === undefined ? undefined : say('warning.privateFirst', { label: labelOf(node, property), network });
}

/** Rule for a guest's CPU model. libvirt does not accept QEMU's feature flags, as in `qemu64,+avx`. */
export const CPU_MODEL: Rule = {
  optional: true,
  pattern: /^\s*(?!x86-64(?!-v[1-4]\s*$))[A-Za-z0-9][\w.-]*\s*$/i,
  says: 'cpuModel',
};

/** Rule for a guest's firmware. */
export const FIRMWARE: Rule = { optional: true, pattern: /^(bios|uefi)$/i, says: 'firmware' };

/** Rule for a path on the machine that runs Node-RED. */
export const ABSOLUTE_PATH: Rule = { pattern: /^([/~]|[A-Za-z]:)/, says: 'absolute' };
