import type { ReviewComment } from '../../gerrit/types.ts';
import { isRecord } from '../../util/is-record.ts';

/** Inline comments of one build, and of one review, at most. */
const MOST = 500;

/** Inline comments by file, as Gerrit takes them. */
export type Comments = Record<string, ReviewComment[]>;

/** None yet. Without a prototype: a file may be named `constructor`. */
export const noComments = (): Comments => Object.create(null) as Comments;

/** Adds the well-formed comments of `msg.comments` (`{file: [{line, message}]}`); gives how many were left out. */
export function addComments(to: Comments, from: unknown): number {
  if (!isRecord(from)) return 0;
  let room = MOST - Object.values(to).reduce((sum, list) => sum + list.length, 0);
  let left = 0;
  for (const [file, list] of Object.entries(from)) {
    for (const each of Array.isArray(list) ? list : [list]) {
      if (!isRecord(each) || typeof each['message'] !== 'string' || room <= 0) {
        left += 1;
        continue;
      }
      const line = Number(each['line']);
      to[file] ??= [];
      to[file].push({
        ...(Number.isInteger(line) && line > 0 ? { line } : {}),
        message: each['message'],
        ...(typeof each['unresolved'] === 'boolean' ? { unresolved: each['unresolved'] } : {}),
      });
      room -= 1;
    }
  }
  return left;
}
