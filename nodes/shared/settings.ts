/** Reads what the editor saved. Any value may be a string, because `${ENV}` settings are replaced by strings. */

/** Returns a number of at least `least`; the fallback if it is missing or not such a number. */
export function numberOf(value: unknown, fallback: number, least = 0): number {
  if (value === undefined || value === null || value === '') return fallback;
  const number = Number(value);
  return Number.isFinite(number) && number >= least ? number : fallback;
}

export const textOf = (value: unknown, fallback = ''): string =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : fallback;

export const flagOf = (value: unknown): boolean => value === true || value === 'true';

/** Returns the rows of a list in a form; none if the value is not a list. */
export const rowsOf = <Row>(value: unknown): Row[] => (Array.isArray(value) ? (value as Row[]) : []);

/** Returns rows of `{name, value}` as an environment. */
export function environmentOf(value: unknown): Record<string, string> {
  const rows = rowsOf<{ name?: unknown; value?: unknown }>(value);
  return Object.fromEntries(
    rows.filter((row) => textOf(row.name)).map((row) => [textOf(row.name), String(row.value ?? '')]),
  );
}

/** Returns names that are separated by commas or spaces. */
export const namesOf = (value: unknown): string[] =>
  textOf(value)
    .split(/[\s,]+/)
    .filter(Boolean);
