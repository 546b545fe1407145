/** Jobs and lanes as they are saved, and what cannot work in them. */
import { ENV_COLUMNS, PATTERN_COLUMNS, type Row, rowReasons } from '../editor/columns.ts';
import type { EditorNode } from '../editor/editor-node.ts';
import { reasonOf } from '../editor/rules.ts';
import { sayOf } from '../editor/words.ts';

export interface Job {
  name: string;
  voting: boolean;
  /** Id of its lane. */
  lane: string;
  /** Minutes. */
  timeout: string;
  env: Row[];
  /** The events that it is for; empty: the usual ones. */
  events: string[];
  projects: Row[];
  branches: Row[];
}

/** An output. */
export interface Lane {
  id: string;
  label: string;
}

/** The lists in a job, and their columns. */
export const JOB_LISTS = { projects: PATTERN_COLUMNS, branches: PATTERN_COLUMNS, env: ENV_COLUMNS };

/** Returns the names of the jobs on a lane. */
export const jobNamesOn = (lane: Lane, jobs: readonly Job[]): string =>
  jobs
    .filter((job) => job.lane === lane.id)
    .map((job) => job.name)
    .filter(Boolean)
    .join(', ');

/** Returns what a lane is called: its label, else the jobs on it. */
export const laneTitle = (lane: Lane, jobs: readonly Job[]): string => lane.label || jobNamesOn(lane, jobs);

/** Returns what cannot work in a job itself, by what it concerns; its lists have reasons of their own. */
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

/** Returns all that cannot work in a job. */
export const allJobReasons = (node: EditorNode, job: Job, lanes: readonly Lane[]): string[] => [
  ...Object.values(jobReasons(node, job, lanes)),
  ...(['projects', 'branches', 'env'] as const).flatMap((key) =>
    (job[key] ?? []).flatMap((row) => Object.values(rowReasons(JOB_LISTS[key], row))),
  ),
];
