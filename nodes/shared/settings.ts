/** Reading what the editor saved: any value may be a string, since `${ENV}` settings are. */

/** A number within bounds; the default where it is missing or none. */
export function numberOf(value: unknown, fallback: number, least = 0): number {
  if (value === undefined || value === null || value === '') return fallback;
  const number = Number(value);
  return Number.isFinite(number) && number >= least ? number : fallback;
}

export const textOf = (value: unknown, fallback = ''): string =>
  typeof value === 'string' && value.trim() !== '' ? value.trim() : fallback;

export const flagOf = (value: unknown): boolean => value === true || value === 'true';

/** Rows of a list in a form; anything else counts as none. */
export const rowsOf = <Row>(value: unknown): Row[] => (Array.isArray(value) ? (value as Row[]) : []);

/** Rows `{name, value}` as an environment. */
export function environmentOf(value: unknown): Record<string, string> {
  const rows = rowsOf<{ name?: unknown; value?: unknown }>(value);
  return Object.fromEntries(
    rows.filter((row) => textOf(row.name)).map((row) => [textOf(row.name), String(row.value ?? '')]),
  );
}

/** Names separated by commas or spaces. */
export const namesOf = (value: unknown): string[] =>
  textOf(value)
    .split(/[\s,]+/)
    .filter(Boolean);
