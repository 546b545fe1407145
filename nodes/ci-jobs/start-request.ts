import { randomUUID } from 'node:crypto';
import type { NodeDef } from 'node-red';
import type { JobSpec, Message, StartRequest } from '../../lib/builds/types.ts';
import { noChange, noLane } from '../../lib/errors/build.ts';
import { type CiError, toCiError } from '../../lib/errors/ci-error.ts';
import { eventEnvironment, pickEnvironment } from '../../lib/gerrit/environment.ts';
import { compilePatterns, type PatternRow } from '../../lib/gerrit/patterns.ts';
import type { GerritEvent } from '../../lib/gerrit/types.ts';
import type { ChangeInfo } from '../../lib/model/change.ts';
import type { Trigger } from '../../lib/model/trigger.ts';
import { isRecord } from '../../lib/util/is-record.ts';
import type { ServerEntry } from '../shared/config-nodes.ts';
import { environmentOf, flagOf, numberOf, rowsOf, textOf } from '../shared/settings.ts';

/** A job of ci-jobs, as saved. */
export interface JobRow {
  name: string;
  voting: boolean;
  lane: string;
  timeout: string;
  env: { name: string; value: string }[];
  events: Trigger['type'][];
  projects: PatternRow[];
  branches: PatternRow[];
}

/** An output of ci-jobs. Jobs refer to it by id, so that outputs can be reordered. */
export interface Lane {
  id: string;
  label: string;
}

/** Settings of a ci-jobs node. */
export interface CiJobsConfig extends NodeDef {
  pipeline: string;
  jobs: JobRow[];
  lanes: Lane[];
  eventEnv: { name: string; path: string }[];
  supersede: boolean;
  idle: string;
}

/** Triggers of a job whose list of events is empty. */
const DEFAULT_EVENTS: Trigger['type'][] = ['patchset', 'recheck'];

/**
 * Returns the builds that a message starts. The message comes from gerrit-events, or was created manually with
 * `{change: {project, number, …}, patchset}`. If it is not valid, returns a CiError.
 */
export function startRequest(
  config: CiJobsConfig,
  node: string,
  message: Message,
  servers: ReadonlyMap<string, ServerEntry>,
): StartRequest | CiError {
  const change = changeIn(message);
  if (!change) return noChange();
  const trigger = triggerIn(message);
  // Created manually: in a copied flow, the id in the Inject node differs from the id of the server.
  const [only, ...others] = servers.keys();
  if (trigger.type === 'manual' && !servers.has(change.server) && only !== undefined && others.length === 0)
    change.server = only;
  const event = (isRecord(message.payload) ? message.payload : {}) as unknown as GerritEvent;
  try {
    const base = {
      ...eventEnvironment({ ...event, type: event.type ?? 'manual' }, change),
      ...pickEnvironment(event, rowsOf(config.eventEnv)),
    };
    const lanes = rowsOf<Lane>(config.lanes);
    const jobs: JobSpec[] = rowsOf<JobRow>(config.jobs)
      .filter((row) => wants(row, trigger, change))
      .map((row) => ({
        name: textOf(row.name, 'job'),
        voting: flagOf(row.voting),
        port: portOf(row, lanes),
        env: { ...base, ...environmentOf(row.env) },
        timeout: numberOf(row.timeout, 90, 0.001) * 60_000,
      }));
    const server = servers.get(change.server);
    return {
      node,
      pipeline: textOf(config.pipeline, 'check'),
      change,
      trigger,
      trusted: server?.local ?? false,
      jobs,
      supersede: flagOf(config.supersede ?? true),
      idle: numberOf(config.idle, 10, 0.001) * 60_000,
      ...(server ? { recheck: `${server.ciName} recheck` } : {}),
      message,
    };
  } catch (error) {
    return toCiError(error, 'ci-jobs');
  }
}

/** Returns the index of the output of a job. @throws CiError if its lane does not exist */
function portOf(row: JobRow, lanes: Lane[]): number {
  const port = lanes.findIndex((lane) => lane.id === row.lane);
  if (port < 0 && lanes.length > 0) throw noLane(textOf(row.name, 'job'));
  return Math.max(0, port);
}

function wants(row: JobRow, trigger: Trigger, change: ChangeInfo): boolean {
  const events = rowsOf<Trigger['type']>(row.events);
  if (trigger.type !== 'manual' && !(events.length > 0 ? events : DEFAULT_EVENTS).includes(trigger.type)) return false;
  const fits = (rows: unknown, value: string | undefined): boolean => {
    const patterns = rowsOf<PatternRow>(rows).filter((pattern) => textOf(pattern.pattern));
    return patterns.length === 0 || compilePatterns(patterns)(value);
  };
  return fits(row.projects, change.project) && fits(row.branches, change.branch);
}

function triggerIn(message: Message): Trigger {
  const { trigger } = message;
  if (isRecord(trigger) && typeof trigger['type'] === 'string' && typeof trigger['key'] === 'string') {
    return { type: trigger['type'] as Trigger['type'], key: trigger['key'], reason: String(trigger['reason'] ?? '') };
  }
  return { type: 'manual', key: randomUUID(), reason: 'it was started by hand' };
}

/**
 * Returns the change in a message. A manually created message may have the patchset in a separate property, as a number
 * or an object with its ref and revision.
 */
function changeIn(message: Message): ChangeInfo | undefined {
  const { change, patchset } = message;
  if (!isRecord(change) || typeof change['project'] !== 'string' || change['project'] === '') return undefined;
  const beside = isRecord(patchset) ? patchset : { patchset };
  const number = count(change['number']);
  const set = count(change['patchset'] ?? beside['number'] ?? beside['patchset']);
  const ref = word(change['ref'] ?? beside['ref']) ?? refOf(number, set);
  const found: Record<string, string | number | undefined> = {
    server: word(change['server']) ?? '',
    project: change['project'],
    branch: word(change['branch']),
    number,
    patchset: set,
    revision: word(change['revision'] ?? beside['revision']),
    ref,
    changeId: word(change['changeId']),
    url: word(change['url']),
    subject: word(change['subject']),
    owner: word(change['owner']),
  };
  return Object.fromEntries(Object.entries(found).filter(([, value]) => value !== undefined)) as unknown as ChangeInfo;
}

const word = (value: unknown): string | undefined => (typeof value === 'string' && value !== '' ? value : undefined);

const count = (value: unknown): number | undefined => {
  const number = typeof value === 'number' || typeof value === 'string' ? Number(value) : Number.NaN;
  return Number.isInteger(number) && number > 0 ? number : undefined;
};

/** Returns a patchset's ref as Gerrit names it: refs/changes/34/1234/2. */
const refOf = (number: number | undefined, patchset: number | undefined): string | undefined =>
  number === undefined || patchset === undefined
    ? undefined
    : `refs/changes/${String(number % 100).padStart(2, '0')}/${number}/${patchset}`;
