/** All results of a build. The names are Zuul's, which Gerrit's results table knows how to colour. */
export const RESULTS = [
  'SUCCESS',
  'FAILURE',
  'TIMED_OUT',
  'ABORTED',
  'NODE_FAILURE',
  'RETRY_LIMIT',
  'POST_FAILURE',
  'SKIPPED',
  'DISK_FULL',
  'ERROR',
] as const;

/** Result of a build or of a step. */
export type Result = (typeof RESULTS)[number];

/** Results that a user's own node may set in `msg.result`. */
export const USER_RESULTS = ['FAILURE', 'SKIPPED', 'ABORTED'] as const satisfies readonly Result[];

/** Returns whether a result is the patch's own fault. Only these vote; infrastructure faults never do. */
export const isPatchFault = (result: Result): boolean => result === 'FAILURE' || result === 'TIMED_OUT';
