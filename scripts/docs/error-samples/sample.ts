/**
 * Example calls of the functions in lib/errors, from which docs/errors.md is generated. A string in braces is shown as a
 * placeholder; numbers are examples.
 */
import type { CiError } from '../../../lib/errors/ci-error.ts';

/** For each function of a module that returns a CiError, the arguments of one call or more: tsc refuses a missing one. */
export type Samples<M> = {
  [K in keyof M as M[K] extends (...args: never[]) => CiError ? K : never]: M[K] extends (...args: infer A) => CiError
    ? A[]
    : never;
};

const REASON = '{reason}';
export const cause = new Error(REASON);
export const full = Object.assign(new Error(REASON), { code: 'ENOSPC' });
export const forbidden = Object.assign(new Error(REASON), { code: 'EACCES' });
export const place = { label: '{machine}', user: '{user}', host: '{host}', port: 22 };
export const reviewed = { label: '{server}', project: '{project}', change: 1234, patchset: 2 };
