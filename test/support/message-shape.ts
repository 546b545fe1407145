/** Compares messages with the properties that scripts/messages/ documents. */
import assert from 'node:assert/strict';
import { NODES } from '../../scripts/messages/nodes.ts';
import type { Property } from '../../scripts/messages/types.ts';

type Json = Record<string, unknown>;

/** Properties of Node-RED itself, which any message may have. */
const NODE_RED = new Set(['_msgid', '_event']);

/** Returns what is documented for an output of a node type. */
export const documentedOutput = (type: string, output = 0): Property[] =>
  NODES.find((node) => node.type === type)!.outputs[output]!.properties;

/** Returns the values at a documented path, such as `build.guests.<name>.host` or `build.steps[].name`. */
function valuesAt(from: unknown, path: string): unknown[] {
  return path.split('.').reduce<unknown[]>(
    (found, part) =>
      found.flatMap((each) => {
        if (typeof each !== 'object' || each === null) return [];
        if (part === '<name>') return Object.values(each);
        const value = (each as Json)[part.replace('[]', '')];
        if (part.endsWith('[]')) return (value as unknown[] | undefined) ?? [];
        return value === undefined ? [] : [value];
      }),
    [from],
  );
}

function isOfType(type: string, value: unknown): boolean {
  if (type === 'any') return true;
  const [, items] = /^array of (\w+)s$/.exec(type) ?? [];
  if (items) return Array.isArray(value) && value.every((item) => typeof item === items);
  return typeof value === type && !Array.isArray(value);
}

/** Returns the paths of a message that no property documents. What a property holds is not looked into. */
function undocumented(value: unknown, names: Set<string>, path = ''): string[] {
  if (Array.isArray(value)) return value.flatMap((item) => undocumented(item, names, `${path}[]`));
  if (typeof value !== 'object' || value === null) return names.has(path) ? [] : [path];
  return Object.entries(value).flatMap(([key, inner]) => {
    if (inner === undefined || (path === '' && NODE_RED.has(key))) return [];
    const own = path === '' ? key : `${path}.${key}`;
    if (names.has(own)) return [];
    const leads = [...names].some((name) => name.startsWith(`${own}.`) || name.startsWith(`${own}[]`));
    return undocumented(inner, names, leads ? own : `${path}.<name>`);
  });
}

/**
 * Checks that a message has every required property, that each property has the documented type, and that nothing else
 * was added to the message.
 *
 * @param received the message before the node, whose other properties are passed on
 */
export function assertShape(what: string, message: Json, properties: Property[], received: Json = {}): void {
  for (const { name, type, optional } of properties) {
    const found = valuesAt(message, name);
    if (!optional && !name.includes('<name>')) assert.ok(found.length > 0, `${what}: ${name} is sent`);
    for (const value of found) {
      assert.ok(isOfType(type, value), `${what}: ${name} is documented as ${type}, and is ${JSON.stringify(value)}`);
    }
  }
  const names = new Set(properties.map(({ name }) => name));
  const roots = new Set([...names].map((name) => name.split('.')[0]!));
  const sent = Object.entries(message).filter(([key]) => roots.has(key) || !(key in received));
  assert.deepEqual(undocumented(Object.fromEntries(sent), names), [], `${what}: all properties are documented`);
}
