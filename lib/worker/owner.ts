import type { Owner } from './types.ts';

/** Returns whether two owners are the same attempt of the same build of the same Recheck. */
export const sameOwner = (a: Owner, b: Owner): boolean =>
  a.controller === b.controller && a.build === b.build && a.attempt === b.attempt;
