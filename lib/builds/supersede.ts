import type { RunRequest } from '../store/types.ts';
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

/** How the engine knows a job's run again, and the older ones that it takes the place of. */
export function runKeys(request: StartRequest, job: string): Pick<RunRequest<unknown>, 'key' | 'supersede'> {
  const { change, trigger, supersede } = request;
  return {
    key: JSON.stringify([...placeOf(request), change.patchset, change.revision, trigger.key, job]),
    ...(supersede && change.number !== undefined
      ? { supersede: { key: jobKey(request, job), rank: change.patchset ?? 0 } }
      : {}),
  };
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
