import type { Result } from '../../model/result.ts';

/** How a result is shown, and what it means. */
export interface ResultWords {
  /** Color: good, bad (the patch), warn (the infrastructure), calm (nobody's fault). */
  tone: 'good' | 'bad' | 'warn' | 'calm';
  words: string;
}

const WORDS: Record<Result, ResultWords> = {
  SUCCESS: { tone: 'good', words: 'Every step passed.' },
  FAILURE: { tone: 'bad', words: 'A step failed.' },
  TIMED_OUT: { tone: 'bad', words: 'The job exceeded its time limit.' },
  ABORTED: { tone: 'calm', words: 'Stopped before it finished. No vote.' },
  NODE_FAILURE: { tone: 'warn', words: 'The infrastructure failed, not the patch. No vote.' },
  RETRY_LIMIT: { tone: 'warn', words: 'The infrastructure failed at every attempt. No vote.' },
  POST_FAILURE: { tone: 'warn', words: 'Some logs could not be fetched. No vote.' },
  SKIPPED: { tone: 'calm', words: 'Nothing to do for this change.' },
  DISK_FULL: { tone: 'warn', words: 'A disk of the CI is full; the patch is not at fault. No vote.' },
  ERROR: { tone: 'warn', words: 'An error in the CI itself, not in the patch. No vote.' },
};

/** Returns how a result is shown and what it means. */
export const resultWords = (result: Result): ResultWords => WORDS[result];
