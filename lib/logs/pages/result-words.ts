import type { Result } from '../../model/result.ts';

/** How a result looks and what it means, for people. */
export interface ResultWords {
  /** Colour: good, bad (the patch), warn (the infrastructure), calm (nobody's fault). */
  tone: 'good' | 'bad' | 'warn' | 'calm';
  words: string;
}

const WORDS: Record<Result, ResultWords> = {
  SUCCESS: { tone: 'good', words: 'Every step passed.' },
  FAILURE: { tone: 'bad', words: 'A step failed on this patch.' },
  TIMED_OUT: { tone: 'bad', words: 'The steps took longer than the job may.' },
  ABORTED: { tone: 'calm', words: 'It was stopped before its end. This does not vote.' },
  NODE_FAILURE: { tone: 'warn', words: 'The infrastructure failed, not the patch. This does not vote.' },
  RETRY_LIMIT: { tone: 'warn', words: 'The infrastructure failed each time it was tried. This does not vote.' },
  POST_FAILURE: { tone: 'warn', words: 'The logs could not all be fetched afterwards. This does not vote.' },
  SKIPPED: { tone: 'calm', words: 'There was nothing to do for this change.' },
  DISK_FULL: { tone: 'warn', words: 'A disk of the CI is full. This is not the patch’s fault and does not vote.' },
  ERROR: { tone: 'warn', words: 'The CI itself made an error, not the patch. This does not vote.' },
};

export const resultWords = (result: Result): ResultWords => WORDS[result];
