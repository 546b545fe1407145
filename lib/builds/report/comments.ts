import type { ReviewComment } from '../../gerrit/types.ts';
import { isRecord } from '../../util/is-record.ts';

/** Limit of inline comments, for each build and for each review. */
const MAX_COMMENTS_COUNT = 500;

/** Inline comments by file, as in Gerrit's ReviewInput. */
export type Comments = Record<string, ReviewComment[]>;

/** Returns an empty collection. It has no prototype, because a file may be named `constructor`. */
export const noComments = (): Comments => Object.create(null) as Comments;

/** Adds the well-formed comments of `msg.comments` (`{file: [{line, message}]}`). @returns how many were dropped */
export function addComments(to: Comments, from: unknown): number {
  if (!isRecord(from)) return 0;
  let capacity = MAX_COMMENTS_COUNT - Object.values(to).reduce((sum, list) => sum + list.length, 0);
  let dropped = 0;
  for (const [file, list] of Object.entries(from)) {
    for (const each of Array.isArray(list) ? list : [list]) {
      if (!isRecord(each) || typeof each['message'] !== 'string' || capacity <= 0) {
        dropped += 1;
        continue;
      }
      const line = Number(each['line']);
      to[file] ??= [];
      to[file].push({
        ...(Number.isInteger(line) && line > 0 ? { line } : {}),
        message: each['message'],
        ...(typeof each['unresolved'] === 'boolean' ? { unresolved: each['unresolved'] } : {}),
      });
      capacity -= 1;
    }
  }
  return dropped;
}
