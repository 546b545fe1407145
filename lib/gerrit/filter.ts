import { createHash } from 'node:crypto';
import type { Trigger, TriggerType } from '../model/trigger.ts';
import { accountName, branchOfRef } from './change.ts';
import { commentText, votesOf } from './comment.ts';
import { compilePatterns, type PatternRow } from './patterns.ts';
import { recheckPattern } from './trigger/recheck.ts';
import type { GerritEvent } from './types.ts';

/** The kinds of event that can start builds. */
export type EventTrigger = Exclude<TriggerType, 'manual'>;

/** Which events start builds. */
export interface FilterSettings {
  triggers: readonly EventTrigger[];
  /** At least one: without any, no event is taken. */
  projects: readonly PatternRow[];
  /** Empty or missing for all branches. */
  branches?: readonly PatternRow[];
  /** Username of the CI's account, whose comments are ignored. */
  ciUser: string;
  /** Name that people write after `recheck`. */
  ciName: string;
  /** The operator's own recheck expression. */
  recheck?: string;
}

/** Decision on an event; `why` says why it was not taken. */
export type Verdict = { take: true; trigger: Trigger } | { take: false; why: string };

const EVENT_TYPES: Record<EventTrigger, string> = {
  patchset: 'patchset-created',
  recheck: 'comment-added',
  merged: 'change-merged',
  ref: 'ref-updated',
};

/** Returns the event types to subscribe to. */
export const eventTypesOf = (triggers: readonly EventTrigger[]): string[] => [
  ...new Set(triggers.map((trigger) => EVENT_TYPES[trigger])),
];

const no = (why: string): Verdict => ({ take: false, why });
const yes = (type: EventTrigger, key: string, reason: string): Verdict => ({
  take: true,
  trigger: { type, key, reason },
});

const digest = (...parts: unknown[]): string =>
  createHash('sha256').update(JSON.stringify(parts)).digest('hex').slice(0, 16);

/** Returns the line with the recheck, shortened. */
function quoteLine(text: string, pattern: RegExp): string {
  const line =
    text
      .slice(pattern.exec(text)?.index ?? 0)
      .trimStart()
      .split('\n', 1)[0] ?? '';
  return line.length > 80 ? `${line.slice(0, 79)}…` : line.trim();
}

function commentVerdict(event: GerritEvent, ciUser: string, pattern: RegExp): Verdict {
  const who = accountName(event.author) ?? 'somebody';
  // comment-added has no tag: only the author identifies our own comments.
  if (event.author?.username === ciUser) return no("the CI's own comment");
  const text = commentText(event);
  if (!pattern.test(text)) {
    const votes = Object.entries(votesOf(event)).map(([label, value]) => `${label} ${value > 0 ? '+' : ''}${value}`);
    return no(`${who}'s comment does not ask for a recheck${votes.length > 0 ? ` (voted ${votes.join(', ')})` : ''}`);
  }
  const key = `recheck-${digest(event.author?.username ?? who, event.eventCreatedOn, text)}`;
  return yes('recheck', key, `${who} commented: ${quoteLine(text, pattern)}`);
}

function refVerdict(event: GerritEvent): Verdict {
  const { refName, oldRev, newRev } = event.refUpdate ?? {};
  if (refName === undefined || newRev === undefined) return no('ref-updated without a ref');
  if (/^0+$/.test(newRev)) return no(`${refName} was deleted`);
  return yes('ref', `ref-${digest(refName, oldRev, newRev)}`, `${refName} moved to ${newRev.slice(0, 12)}`);
}

/**
 * Returns a function that decides on each event: what it triggers, or why it is not taken.
 *
 * @throws CiError if a pattern cannot be parsed
 */
export function makeFilter(settings: FilterSettings): (event: GerritEvent) => Verdict {
  const project = compilePatterns(settings.projects);
  const branches = settings.branches ?? [];
  const branch = branches.length > 0 ? compilePatterns(branches) : undefined;
  const pattern = recheckPattern(settings.ciName, settings.recheck);
  const wanted = new Map(settings.triggers.map((trigger) => [EVENT_TYPES[trigger], trigger]));

  return (event) => {
    const trigger = wanted.get(event.type);
    if (trigger === undefined) return no(`${event.type} is not a trigger here`);
    const refName = event.refUpdate?.refName;
    const name = trigger === 'ref' ? event.refUpdate?.project : event.change?.project;
    if (name === undefined) return no(`${event.type} without a project`);
    // With NoteDb every patchset and comment updates such a ref; other refs under refs/ are internal to Gerrit too.
    if (
      trigger === 'ref' &&
      refName !== undefined &&
      !/^refs\/(?:heads|tags)\//.test(refName) &&
      refName.startsWith('refs/')
    )
      return no(`${refName} is internal to Gerrit`);
    if (!project(name)) return no(`project ${name} is not on the list`);
    const on = trigger === 'ref' ? branchOfRef(refName ?? '') : event.change?.branch;
    if (branch && !branch(on)) return no(on === undefined ? 'it has no branch' : `branch ${on} is not on the list`);
    if (trigger === 'ref') return refVerdict(event);
    if (event.change?.number === undefined || event.patchSet?.number === undefined)
      return no(`${event.type} without a change and patchset`);
    if (trigger === 'recheck') return commentVerdict(event, settings.ciUser, pattern);
    if (trigger === 'merged') return yes('merged', 'merged', 'the change was merged');
    return yes('patchset', 'ps', `patchset ${event.patchSet.number} was uploaded`);
  };
}
