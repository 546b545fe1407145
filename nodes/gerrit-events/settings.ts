import type { NodeDef } from 'node-red';
import type { EventTrigger, FilterSettings } from '../../lib/gerrit/filter.ts';
import type { PatternRow } from '../../lib/gerrit/patterns.ts';
import type { ReplayPace } from '../../lib/gerrit/replay.ts';
import type { ServerEntry } from '../shared/config-nodes.ts';
import { flagOf, numberOf, rowsOf, textOf } from '../shared/settings.ts';

/** Settings of a gerrit-events node. */
export interface GerritEventsConfig extends NodeDef {
  source: 'stream' | 'replay';
  server: string;
  onPatchset: boolean;
  onRecheck: boolean;
  onMerged: boolean;
  onRefUpdated: boolean;
  projects: PatternRow[];
  branches: PatternRow[];
  recheck: string;
  replayFile: string;
  replayPace: string;
}

const patternsOf = (rows: unknown): PatternRow[] => rowsOf<PatternRow>(rows).filter((row) => textOf(row.pattern));

/** Returns the kinds of events that start builds. */
export const triggersOf = (config: GerritEventsConfig): EventTrigger[] => [
  ...(flagOf(config.onPatchset) ? (['patchset'] as const) : []),
  ...(flagOf(config.onRecheck) ? (['recheck'] as const) : []),
  ...(flagOf(config.onMerged) ? (['merged'] as const) : []),
  ...(flagOf(config.onRefUpdated) ? (['ref'] as const) : []),
];

/**
 * Returns the projects to query: those in the list, or all (`*`) if it contains patterns, which Gerrit does not
 * support.
 */
export const askedProjects = (config: GerritEventsConfig): string[] => {
  const rows = patternsOf(config.projects);
  return rows.every((row) => row.match === 'exact') ? rows.map((row) => row.pattern) : ['*'];
};

/** Returns the settings of the event filter. `entry` is undefined for a replay without a server. */
export const filterSettings = (
  config: GerritEventsConfig,
  entry: ServerEntry | undefined,
  triggers: EventTrigger[],
): FilterSettings => ({
  triggers,
  projects: patternsOf(config.projects),
  branches: patternsOf(config.branches),
  ciUser: entry?.ciUser ?? '',
  ciName: entry?.ciName ?? 'my-ci',
  ...(textOf(config.recheck) ? { recheck: textOf(config.recheck) } : {}),
});

/** Returns the pace of a replay. */
export function paceOf(config: GerritEventsConfig): ReplayPace {
  const pace = textOf(config.replayPace, 'recorded');
  return pace === 'asap' || pace === 'recorded' ? pace : numberOf(pace, 0);
}
