import type { ChangeInfo } from '../model/change.ts';
import type { GerritEvent } from './types.ts';

/** One row of "further variables": a name, and the path of its value in the event (`change.topic`, `newRev`). */
export interface EnvironmentRow {
  name: string;
  path: string;
}

/** Returns a value as text without NUL, which an environment cannot contain. */
const clean = (value: unknown): string => String(value).replaceAll('\0', '');

/** Returns the variables for every build of an event, without those for which the event has no value. */
export function eventEnvironment(event: GerritEvent, change: ChangeInfo): Record<string, string> {
  const { refUpdate } = event;
  const values: Record<string, string | number | undefined> = {
    GERRIT_EVENT_TYPE: event.type,
    GERRIT_PROJECT: change.project,
    GERRIT_BRANCH: change.branch,
    GERRIT_REF: change.ref,
    GERRIT_REFSPEC: change.ref,
    GERRIT_CHANGE_ID: change.changeId,
    GERRIT_CHANGE_NUMBER: change.number,
    GERRIT_CHANGE_URL: change.url,
    GERRIT_CHANGE_SUBJECT: change.subject,
    GERRIT_CHANGE_OWNER: change.owner,
    GERRIT_PATCHSET_NUMBER: change.patchset,
    GERRIT_PATCHSET_REVISION: change.patchset === undefined ? undefined : change.revision,
    GERRIT_REFUPD_NEW: refUpdate?.newRev,
    GERRIT_REFUPD_OLD: refUpdate?.oldRev,
    GERRIT_REFUPD_REFNAME: refUpdate?.refName,
  };
  const environment: Record<string, string> = {};
  for (const [name, value] of Object.entries(values)) if (value !== undefined) environment[name] = clean(value);
  return environment;
}

/**
 * Returns variables by dotted paths into the event. A path that does not lead to a string, number or boolean is
 * skipped.
 */
export function pickEnvironment(event: GerritEvent, rows: readonly EnvironmentRow[]): Record<string, string> {
  const environment: Record<string, string> = {};
  for (const { name, path } of rows) {
    let value: unknown = event;
    for (const key of path.split('.')) {
      value =
        typeof value === 'object' && value !== null && Object.hasOwn(value, key)
          ? (value as Record<string, unknown>)[key]
          : undefined;
    }
    if (['string', 'number', 'boolean'].includes(typeof value)) environment[name] = clean(value);
  }
  return environment;
}
