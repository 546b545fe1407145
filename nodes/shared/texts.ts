import type { NodeAPI } from 'node-red';

type Translate = (key: string, values?: Record<string, unknown>) => string;

/** Each node type's own locale: a text is found by the type that it belongs to, also where another node asks. */
const locales = new Map<string, Translate>();

/** Keeps the locale of a node type; each node file calls it once. */
export function useTexts(type: string, RED: NodeAPI): void {
  locales.set(type, RED._ as Translate);
}

/** A text of a node type in the language set. */
export const text = (type: string, key: string, values?: Record<string, unknown>): string =>
  locales.get(type)?.(`${type}.${key}`, values) ?? key;
