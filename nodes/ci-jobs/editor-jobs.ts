/** Jobs and lanes as saved, and the checks of their settings. */
import { ENV_COLUMNS, PATTERN_COLUMNS, type Row, rowReasons } from '../editor/columns.ts';
import type { EditorNode } from '../editor/editor-node.ts';
import { reasonOf } from '../editor/rules.ts';
import { sayOf } from '../editor/words.ts';

/** A job of ci-jobs. */
export interface Job {
  name: string;
  voting: boolean;
  /** Id of its lane. */
  lane: string;
  /** Minutes. */
  timeout: string;
  env: Row[];
  /** The events that start it; if empty, the default events. */
  events: string[];
  projects: Row[];
  branches: Row[];
}

/** An output of ci-jobs. */
export interface Lane {
  id: string;
  label: string;
}

/** The columns of the lists in a job. */
export const JOB_LISTS = { projects: PATTERN_COLUMNS, branches: PATTERN_COLUMNS, env: ENV_COLUMNS };

/** Returns the names of the jobs on a lane, separated by commas. */
export const jobNamesOn = (lane: Lane, jobs: readonly Job[]): string =>
  jobs
    .filter((job) => job.lane === lane.id)
    .map((job) => job.name)
    .filter(Boolean)
    .join(', ');

/** Returns the title of a lane: its label, or the names of its jobs. */
export const laneTitle = (lane: Lane, jobs: readonly Job[]): string => lane.label || jobNamesOn(lane, jobs);

/** Returns the errors of a job by setting, without those of its lists. */
export function jobReasons(
  node: EditorNode,
  job: Job,
  lanes: readonly Lane[],
): Partial<Record<'name' | 'lane' | 'timeout', string>> {
  const word = (key: string): string => sayOf(node, `job.${key}`);
  const name = reasonOf(word('name'), job.name, { pattern: /^\S+$/, says: 'noSpaces' });
  const lane = lanes.some(({ id }) => id === job.lane) ? undefined : sayOf(node, 'error.lane');
  const timeout = reasonOf(word('timeout'), job.timeout, { whole: [1, 10_080] });
  return { ...(name ? { name } : {}), ...(lane ? { lane } : {}), ...(timeout ? { timeout } : {}) };
}

/** Returns all errors of a job, including those of its lists. */
export const allJobReasons = (node: EditorNode, job: Job, lanes: readonly Lane[]): string[] => [
  ...Object.values(jobReasons(node, job, lanes)),
  ...(['projects', 'branches', 'env'] as const).flatMap((key) =>
    (job[key] ?? []).flatMap((row) => Object.values(rowReasons(JOB_LISTS[key], row))),
  ),
];
