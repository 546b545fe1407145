import { isPatchFault, type Result } from '../model/result.ts';

/** What a vote depends on. */
export interface BuildOutcome {
  result: Result;
  voting: boolean;
}

/**
 * Returns how builds vote. Only voting builds that were not skipped count. If the patch made one fail, it is a failure;
 * otherwise any that did not succeed is an infrastructure fault or an abort, which never votes. Without builds there is
 * no vote.
 */
export function voteOf(builds: readonly BuildOutcome[]): 'success' | 'failure' | 'none' {
  const counted = builds.filter(({ voting, result }) => voting && result !== 'SKIPPED');
  if (counted.some(({ result }) => isPatchFault(result))) return 'failure';
  return counted.length > 0 && counted.every(({ result }) => result === 'SUCCESS') ? 'success' : 'none';
}
