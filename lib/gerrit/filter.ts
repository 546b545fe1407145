import { createHash } from 'node:crypto';
import type { Trigger, TriggerType } from '../model/trigger.ts';
import { accountName, branchOfRef } from './change.ts';
import { compilePatterns, type PatternRow } from './patterns.ts';
import { commentText, votesOf } from './trigger/comment.ts';
import { recheckPattern } from './trigger/recheck.ts';
import type { GerritEvent } from './types.ts';

/** The kinds of event that can start builds. */
export type EventTrigger = Exclude<TriggerType, 'manual'>;

/** What starts builds here. */
export interface FilterSettings {
  triggers: readonly EventTrigger[];
  /** At least one; none takes nothing. */
  projects: readonly PatternRow[];
  /** None: all branches. */
  branches?: readonly PatternRow[];
  /** Username of the CI's own account: its comments are passed by. */
  ciUser: string;
  /** Name that people write behind `recheck`. */
  ciName: string;
  /** The operator's own recheck expression. */
  recheck?: string;
}

/** What becomes of an event; `why` says in words why it was not taken. */
export type Verdict = { take: true; trigger: Trigger } | { take: false; why: string };

const EVENT_TYPES: Record<EventTrigger, string> = {
  patchset: 'patchset-created',
  recheck: 'comment-added',
  merged: 'change-merged',
  ref: 'ref-updated',
};

/** The event types to ask the server for: what is not needed need not be sent. */
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

/** The line that asked for the recheck, on one line and short. */
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
  // comment-added carries no tag: the author is all there is to know one's own comments by.
  if (event.author?.username === ciUser) return no("the CI's own comment");
  const text = commentText(event);
  if (!pattern.test(text)) {
    const votes = Object.entries(votesOf(event)).map(([label, value]) => `${label} ${value > 0 ? '+' : ''}${value}`);
    return no(`${who}'s comment asks for no recheck${votes.length > 0 ? ` (voted ${votes.join(', ')})` : ''}`);
  }
  const key = `recheck-${digest(event.author?.username ?? who, event.eventCreatedOn, text)}`;
  return yes('recheck', key, `${who} commented: ${quoteLine(text, pattern)}`);
}

function refVerdict(event: GerritEvent): Verdict {
  const { refName, oldRev, newRev } = event.refUpdate ?? {};
  if (refName === undefined || newRev === undefined) return no('ref-updated without its ref');
  if (/^0+$/.test(newRev)) return no(`${refName} was deleted`);
  return yes('ref', `ref-${digest(refName, oldRev, newRev)}`, `${refName} moved to ${newRev.slice(0, 12)}`);
}

/**
 * Makes the test that each event goes through: what it triggers, or why it is not taken.
 *
 * @throws CiError where a pattern cannot be read
 */
export function makeFilter(settings: FilterSettings): (event: GerritEvent) => Verdict {
  const project = compilePatterns(settings.projects);
  const branches = settings.branches ?? [];
  const branch = branches.length > 0 ? compilePatterns(branches) : undefined;
  const pattern = recheckPattern(settings.ciName, settings.recheck);
  const wanted = new Map(settings.triggers.map((trigger) => [EVENT_TYPES[trigger], trigger]));

  return (event) => {
    const trigger = wanted.get(event.type);
    if (trigger === undefined) return no(`${event.type} is not asked for`);
    const refName = event.refUpdate?.refName;
    const name = trigger === 'ref' ? event.refUpdate?.project : event.change?.project;
    if (name === undefined) return no(`${event.type} without a project`);
    // On NoteDb every patchset and every comment moves such a ref; other refs under refs/ are Gerrit's own too.
    if (
      trigger === 'ref' &&
      refName !== undefined &&
      !/^refs\/(?:heads|tags)\//.test(refName) &&
      refName.startsWith('refs/')
    )
      return no(`${refName} is one of Gerrit's own refs`);
    if (!project(name)) return no(`project ${name} is not on the list`);
    const on = trigger === 'ref' ? branchOfRef(refName ?? '') : event.change?.branch;
    if (branch && !branch(on)) return no(on === undefined ? 'it is on no branch' : `branch ${on} is not on the list`);
    if (trigger === 'ref') return refVerdict(event);
    if (event.change?.number === undefined || event.patchSet?.number === undefined)
      return no(`${event.type} without its change and patchset`);
    if (trigger === 'recheck') return commentVerdict(event, settings.ciUser, pattern);
    if (trigger === 'merged') return yes('merged', 'merged', 'the change was merged');
    return yes('patchset', 'ps', `patchset ${event.patchSet.number} was uploaded`);
  };
}
