import { isPatchFault, type Result } from '../model/result.ts';

/** What a vote needs to know of a build. */
export interface BuildOutcome {
  result: Result;
  voting: boolean;
}

/**
 * How builds vote. Only voting builds count. One that the patch made fail is a failure; else any other that did not
 * succeed is a fault of the infrastructure (or an abort), which never votes; skipped ones are left out, and where
 * nothing is left there is no vote.
 */
export function voteOf(builds: readonly BuildOutcome[]): 'success' | 'failure' | 'none' {
  const counted = builds.filter(({ voting, result }) => voting && result !== 'SKIPPED');
  if (counted.some(({ result }) => isPatchFault(result))) return 'failure';
  return counted.length > 0 && counted.every(({ result }) => result === 'SUCCESS') ? 'success' : 'none';
}
