import type { GerritEvent } from '../types.ts';
import {
  ACCOUNT,
  CHANGE_FIELDS,
  isObject,
  list,
  nestsDeeper,
  object,
  PATCHSET_FIELDS,
  repairObject,
  type Schema,
  text,
  whole,
} from './repair.ts';

/** Nesting that no event has, and that everybody can still copy. */
const MAX_DEPTH = 1000;

const EVENT: Schema = [
  ['change', object(CHANGE_FIELDS)],
  ['patchSet', object(PATCHSET_FIELDS)],
  [
    'refUpdate',
    object([
      ['project', text],
      ['refName', text],
      ['oldRev', text],
      ['newRev', text],
    ]),
  ],
  ['author', ACCOUNT],
  ['uploader', ACCOUNT],
  ['submitter', ACCOUNT],
  ['abandoner', ACCOUNT],
  [
    'approvals',
    list(
      object([
        ['type', text],
        ['value', text],
        ['oldValue', text],
      ]),
    ),
  ],
  ['comment', text],
  ['patchSetComments', object([['/PATCHSET_LEVEL', list(object([['message', text]]))]])],
  ['newRev', text],
  ['eventCreatedOn', whole],
];

/** A line of JSON as an object; undefined for anything else. Never throws. */
export function parseObject(line: string): Record<string, unknown> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isObject(value)) return undefined;
  if (mayNestDeeper(line, MAX_DEPTH) && nestsDeeper(value, MAX_DEPTH)) return undefined;
  return value;
}

/** Whether a line has enough brackets to nest deeper than that: few have, and a walk takes longer than the parsing. */
function mayNestDeeper(line: string, limit: number): boolean {
  let left = limit;
  for (const bracket of ['{', '[']) {
    for (let at = line.indexOf(bracket); at !== -1; at = line.indexOf(bracket, at + 1)) {
      if (left === 0) return true;
      left -= 1;
    }
  }
  return false;
}

/**
 * Reads one line of an event stream. Gives undefined for what is no event: no JSON, no object, no `type`, nested
 * beyond reason. Never throws, whatever the line holds.
 */
export function parseEvent(line: string): GerritEvent | undefined {
  const value = parseObject(line);
  if (value === undefined || typeof value.type !== 'string') return undefined;
  return repairObject(value, EVENT) as unknown as GerritEvent;
}

/** Where Gerrit writes an event's type: among the last characters of its line. */
const TAIL = 200;

/**
 * Whether a line tells of a ref under refs/changes/, of which nobody here wants to know: with NoteDb each patchset and
 * each comment comes as such a ref-updated too. Told without parsing: inside a JSON string these quotes would be
 * escaped, so that no comment can look like it. One that is written otherwise is told by the filter.
 */
export const isChangeRefUpdate = (line: string): boolean =>
  line.includes('"type":"ref-updated"', line.length - TAIL) && line.includes('"refName":"refs/changes/');
