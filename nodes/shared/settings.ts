/** Readers for saved settings. Any value may be a string, because Node-RED replaces `${ENV}` with a string. */

/** Returns a setting as a number, or the fallback if it is missing, not a number, or less than `least`. */
export function numberOf(value: unknown, fallback: number, least = 0): number {
  if (value === undefined || value === null || value === '') return fallback;
  const number = Number(value);
  return Number.isFinite(number) && number >= least ? number : fallback;
}

/** Returns a setting as a trimmed text, or the fallback if it is missing or blank. */
export const textOf = (value: unknown, fallback = ''): string =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : fallback;

/** Returns a setting as a boolean. */
export const flagOf = (value: unknown): boolean => value === true || value === 'true';

/** Returns a setting as a list of rows; empty if it is not a list. */
export const rowsOf = <Row>(value: unknown): Row[] => (Array.isArray(value) ? (value as Row[]) : []);

/** Returns a list of `{name, value}` rows as environment variables. Rows without a name are skipped. */
export function environmentOf(value: unknown): Record<string, string> {
  const rows = rowsOf<{ name?: unknown; value?: unknown }>(value);
  return Object.fromEntries(
    rows.filter((row) => textOf(row.name)).map((row) => [textOf(row.name), String(row.value ?? '')]),
  );
}

/** Returns the names in a text, which are separated by commas or spaces. */
export const namesOf = (value: unknown): string[] =>
  textOf(value)
    .split(/[\s,]+/)
    .filter(Boolean);
