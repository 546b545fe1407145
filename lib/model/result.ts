/** What a build can end as: Zuul's words, which Gerrit's results table colours. */
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

export type Result = (typeof RESULTS)[number];

/** The results a user's own node may set with `msg.result`. */
export const USER_RESULTS = ['FAILURE', 'SKIPPED', 'ABORTED'] as const satisfies readonly Result[];

/** Whether the patch itself is to blame: only these may cost it a vote. A fault of the infrastructure never votes. */
export const isPatchFault = (result: Result): boolean => result === 'FAILURE' || result === 'TIMED_OUT';
