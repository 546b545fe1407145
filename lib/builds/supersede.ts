import type { Build } from './build.ts';
import type { StartRequest } from './types.ts';

/** What a request's builds are of, but for the patchset. */
const placeOf = ({ change, pipeline, node }: StartRequest): unknown[] => [
  change.server,
  change.project,
  change.number ?? change.ref,
  pipeline,
  node,
];

const jobKey = (request: StartRequest, job: string): string => JSON.stringify([...placeOf(request), job]);

/** Returns the key by which a job's build is known again: a trigger that is seen twice starts it once. */
export function dedupeKey(request: StartRequest, job: string): string {
  const { change, trigger } = request;
  return JSON.stringify([...placeOf(request), change.patchset, change.revision, trigger.key, job]);
}

/**
 * Whether a new run of a job takes the place of a build, one that has ended too: its report, where it waits for other
 * jobs, must not come after the new run's.
 */
export function replaces(request: StartRequest, job: string, build: Build): boolean {
  const older = build.set.request;
  return (
    request.supersede &&
    request.change.number !== undefined &&
    build.spec.name === job &&
    jobKey(older, job) === jobKey(request, job) &&
    (older.change.patchset ?? 0) <= (request.change.patchset ?? 0)
  );
}
