import type { NodeAPI } from 'node-red';

type Translate = (key: string, values?: Record<string, unknown>) => string;

/** Each node type's own locale: a text is found by the type that owns it, even if another node asks. */
const locales = new Map<string, Translate>();

/** Registers the locale of a node type; each node file calls it once. */
export function useLocale(type: string, RED: NodeAPI): void {
  locales.set(type, RED._ as Translate);
}

/** Returns a text of a node type in Node-RED's language; `values` fill its `__placeholders__`. */
export const t = (type: string, key: string, values?: Record<string, unknown>): string =>
  locales.get(type)?.(`${type}.${key}`, values) ?? key;
