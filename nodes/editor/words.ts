/** Looks up the texts of the forms. */
import type { EditorNode, Values } from './editor-node.ts';

/** Prefix of the shared texts' keys: the namespace of this folder's locale.json. */
export const CATALOG = '@recheck/node-red-gerrit-ci/editor:recheck.';

/** Returns a shared text. */
export const say = (key: string, values?: Values): string => RED._(CATALOG + key, values);

/** Returns a text from the node type's locale (`key` omits the type), or the shared text if that locale has none. */
export const sayOf = (node: EditorNode, key: string, values?: Values): string =>
  node._def._(`${node.type}.${key}`, { ...values, defaultValue: '' }) || say(key, values);
