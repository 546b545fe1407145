import { isRecord } from '../../util/is-record.ts';
import type { GerritEvent } from '../types.ts';
import {
  ACCOUNT,
  CHANGE_FIELDS,
  list,
  nestsDeeper,
  object,
  PATCHSET_FIELDS,
  repairObject,
  type Schema,
  text,
  whole,
} from './repair.ts';

/** Levels of nesting: more than any event has, and few enough to be copied recursively. */
const MAX_DEPTH_LEVELS = 1000;

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

/** Parses a line of JSON as an object; undefined for anything else. Never throws. */
export function parseObject(line: string): Record<string, unknown> | undefined {
  let value: unknown;
  try {
    value = JSON.parse(line);
  } catch {
    return undefined;
  }
  if (!isRecord(value)) return undefined;
  if (mayNestDeeper(line, MAX_DEPTH_LEVELS) && nestsDeeper(value, MAX_DEPTH_LEVELS)) return undefined;
  return value;
}

/**
 * Whether a line has enough brackets to nest deeper than `limit`: few do, and walking the value takes longer than
 * parsing it.
 */
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
 * Parses one line of an event stream. Returns undefined if it is not an event: not JSON, not an object, no `type`,
 * nested too deeply. Never throws.
 */
export function parseEvent(line: string): GerritEvent | undefined {
  const value = parseObject(line);
  if (value === undefined || typeof value.type !== 'string') return undefined;
  return repairObject(value, EVENT) as unknown as GerritEvent;
}

/** Characters at the end of a line among which Gerrit writes the event's type. */
const MAX_TYPE_DISTANCE_CHARS = 200;

/**
 * Returns whether a line is a ref-updated of a ref under refs/changes/, which nobody here needs: with NoteDb each
 * patchset and each comment causes one. Decided without parsing: inside a JSON string these quotes would be escaped, so
 * no comment can look like one. The filter catches any that are written differently.
 */
export const isChangeRefUpdate = (line: string): boolean =>
  line.includes('"type":"ref-updated"', line.length - MAX_TYPE_DISTANCE_CHARS) &&
  line.includes('"refName":"refs/changes/');
