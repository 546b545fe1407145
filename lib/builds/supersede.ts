import type { Build } from './build.ts';
import type { StartRequest } from './types.ts';

/** Identifies what a request builds, regardless of the patchset. */
const targetOf = ({ change, pipeline, node }: StartRequest): unknown[] => [
  change.server,
  change.project,
  change.number ?? change.ref,
  pipeline,
  node,
];

const jobKey = (request: StartRequest, job: string): string => JSON.stringify([...targetOf(request), job]);

/** Returns the key that is the same for a job each time its trigger is seen, so that it starts once. */
export function dedupeKey(request: StartRequest, job: string): string {
  const { change, trigger } = request;
  return JSON.stringify([...targetOf(request), change.patchset, change.revision, trigger.key, job]);
}

/**
 * Returns whether a new build of a job supersedes a build. That includes a build that has ended, because its report may
 * still be waiting for other jobs and must not be posted after the newer one.
 */
export function supersedes(request: StartRequest, job: string, build: Build): boolean {
  const older = build.set.request;
  return (
    request.supersede &&
    request.change.number !== undefined &&
    build.spec.name === job &&
    jobKey(older, job) === jobKey(request, job) &&
    (older.change.patchset ?? 0) <= (request.change.patchset ?? 0)
  );
}
