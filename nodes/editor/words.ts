/** The texts of the forms. */
import type { EditorNode, Values } from './editor-node.ts';

/** Where the texts that all forms share are found: locale.json of this folder. */
export const CATALOG = '@recheck/node-red-gerrit-ci/editor:recheck.';

/** Returns a text that all forms share. */
export const say = (key: string, values?: Values): string => RED._(CATALOG + key, values);

/** Returns a text of a node's own locale (`key` without the type); a shared one if its locale has none. */
export const sayOf = (node: EditorNode, key: string, values?: Values): string =>
  node._def._(`${node.type}.${key}`, { ...values, defaultValue: '' }) || say(key, values);
