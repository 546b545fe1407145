import type { NodeAPI } from 'node-red';

/** Returns a text of a node type in Node-RED's language; `values` fill its `__placeholders__`. */
export type Translate = (type: string, key: string, values?: Record<string, unknown>) => string;

/** Node-RED names the locale of a node type after the package and the type. */
const PACKAGE = '@recheck/node-red-gerrit-ci';

/** Returns the texts of all node types: one type may show those of another. */
export const translator =
  (RED: NodeAPI): Translate =>
  (type, key, values) =>
    (RED._ as (id: string, values?: Record<string, unknown>) => string)(`${PACKAGE}/${type}:${type}.${key}`, values);
