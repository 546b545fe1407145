import { isRecord } from '../../util/is-record.ts';

/** Repairs a value: returns it, a corrected one, or undefined if it cannot be corrected. */
export type Repair = (value: unknown) => unknown;

/** The fields of an object that are used, with their repairs. */
export type Schema = readonly (readonly [key: string, repair: Repair])[];

/** Returns a string as it is, and a number as a string. */
export const text: Repair = (value) =>
  typeof value === 'string' ? value : typeof value === 'number' ? String(value) : undefined;

/** Returns a whole number that is not negative; old servers send numbers as strings. */
export const whole: Repair = (value) => {
  const number = typeof value === 'string' && /^\d{1,15}$/.test(value) ? Number(value) : value;
  return Number.isSafeInteger(number) && (number as number) >= 0 ? number : undefined;
};

/** Returns a boolean as it is; drops anything else. */
export const flag: Repair = (value) => (typeof value === 'boolean' ? value : undefined);

/** Returns a project's name; the events-log plugin sends `{"name": …}`. */
export const projectName: Repair = (value) => (isRecord(value) ? text(value.name) : text(value));

/**
 * Repairs the schema's fields of an object, in place and shallowly: fields of a wrong type that cannot be corrected are
 * deleted, fields that are not in the schema stay as they are. Cheap, because nearly always nothing changes.
 */
export function repairObject(value: Record<string, unknown>, schema: Schema): Record<string, unknown> {
  for (const [key, repair] of schema) {
    const found = value[key];
    if (found === undefined) continue;
    const right = repair(found);
    if (right === found) continue;
    if (right === undefined) delete value[key];
    else value[key] = right;
  }
  return value;
}

/** An object with the fields of a schema. */
export const object =
  (schema: Schema): Repair =>
  (value) =>
    isRecord(value) ? repairObject(value, schema) : undefined;

/** An array; entries that cannot be corrected are dropped. */
export const list =
  (repair: Repair): Repair =>
  (value) =>
    Array.isArray(value) ? value.map(repair).filter((entry) => entry !== undefined) : undefined;

/** Returns whether a value nests deeper than `limit`: copying it recursively would overflow the stack. */
export function nestsDeeper(value: unknown, limit: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  if (limit === 0) return true;
  for (const key in value) if (nestsDeeper((value as Record<string, unknown>)[key], limit - 1)) return true;
  return false;
}

/** Returns an account, with its fields repaired. */
export const ACCOUNT = object([
  ['name', text],
  ['email', text],
  ['username', text],
]);

/** Fields of a change in an event; a row of a query has them at its top level. */
export const CHANGE_FIELDS: Schema = [
  ['project', projectName],
  ['branch', text],
  ['topic', text],
  ['id', text],
  ['number', whole],
  ['subject', text],
  ['owner', ACCOUNT],
  ['url', text],
  ['commitMessage', text],
  ['status', text],
  ['wip', flag],
  ['private', flag],
];

/** Fields of a patchset in an event or a row of a query. */
export const PATCHSET_FIELDS: Schema = [
  ['number', whole],
  ['revision', text],
  ['ref', text],
  ['uploader', ACCOUNT],
  ['author', ACCOUNT],
  ['createdOn', whole],
  ['kind', text],
];
