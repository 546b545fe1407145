import { noSuchAccount } from '../../../errors/sandbox.ts';
import type { Account } from './types.ts';

/** Username of the CI. */
export const CI_USER = 'my-ci';
/** Username of the account that uploads the samples and writes the page's comments. */
export const DEVELOPER = 'ann';

/**
 * The accounts. The CI's full name ends in " CI", which is one of the ways in which Gerrit's UI recognizes results.
 * Like a real service user it has no email.
 */
export const ACCOUNTS: readonly Account[] = [
  { id: 1000000, username: 'admin', name: 'Administrator', email: 'admin@example.com', service: false, admin: true },
  { id: 1000001, username: CI_USER, name: 'My CI', service: true, admin: false },
  { id: 1000002, username: DEVELOPER, name: 'Ann Developer', email: 'ann@example.com', service: false, admin: false },
];

/** Returns the account with a username. @throws CiError if there is none */
export function accountOf(username: string): Account {
  const account = ACCOUNTS.find((one) => one.username === username);
  if (!account) throw noSuchAccount(username);
  return account;
}

/** The labels in the project's order, with their ranges. */
const LABELS: Readonly<Record<string, { min: number; max: number }>> = {
  Verified: { min: -1, max: 1 },
  'Code-Review': { min: -2, max: 2 },
};

/** Names of all labels. */
export const LABEL_NAMES: readonly string[] = Object.keys(LABELS);

/** Returns the lowest and the highest value of a label; undefined if there is no such label. */
export const labelRange = (label: string): { min: number; max: number } | undefined =>
  Object.hasOwn(LABELS, label) ? LABELS[label] : undefined;

/**
 * Returns whether an account may give a value: Verified is for service users, Code-Review beyond ±1 for the
 * administrator.
 */
export function mayVote(account: Account, label: string, value: number): boolean {
  if (value === 0) return true;
  if (label === 'Verified') return account.service || account.admin;
  return account.admin || Math.abs(value) <= 1;
}
