import { commandFailed, queryRefused, queryTimeout } from '../errors/gerrit.ts';
import type { Host } from '../ssh/types.ts';
import { gerritCommand } from './command.ts';
import { LineSplitter } from './stream/lines.ts';
import { parseObject } from './stream/parse.ts';
import {
  ACCOUNT,
  CHANGE_FIELDS,
  flag,
  list,
  object,
  PATCHSET_FIELDS,
  repairObject,
  type Schema,
  text,
  whole,
} from './stream/repair.ts';
import type { GerritAccount, GerritApproval, GerritChange, GerritPatchset } from './types.ts';

/** A change as `gerrit query` gives it; what stands in it depends on the options. Any field may be missing. */
export interface QueryRow extends GerritChange {
  open?: boolean;
  /** Seconds since the epoch. */
  lastUpdated?: number;
  /** With --comments: the change's messages, oldest first. An inline comment is only counted in there. */
  comments?: { timestamp?: number; reviewer?: GerritAccount; message?: string }[];
  /** With --current-patch-set. */
  currentPatchSet?: GerritPatchset & {
    /** All votes that are not 0. */
    approvals?: (GerritApproval & { by?: GerritAccount })[];
    /** With --comments: inline and patchset-level (`/PATCHSET_LEVEL`) comments, without a time. */
    comments?: { file?: string; reviewer?: GerritAccount; message?: string }[];
  };
  /** With --submit-records: all labels of the change are named in there. */
  submitRecords?: { labels?: { label?: string }[] }[];
}

/** Longest row that is read, in bytes: with --comments a busy change has megabytes. */
const MAX_ROW = 8 * 1024 * 1024;
const TIMEOUT = 60_000;

const comments = (own: Schema) => list(object([['reviewer', ACCOUNT], ['message', text], ...own]));

const ROW: Schema = [
  ...CHANGE_FIELDS,
  ['open', flag],
  ['lastUpdated', whole],
  ['comments', comments([['timestamp', whole]])],
  [
    'currentPatchSet',
    object([
      ...PATCHSET_FIELDS,
      [
        'approvals',
        list(
          object([
            ['type', text],
            ['value', text],
            ['by', ACCOUNT],
          ]),
        ),
      ],
      ['comments', comments([['file', text]])],
    ]),
  ],
  ['submitRecords', list(object([['labels', list(object([['label', text]]))]]))],
];

/**
 * The condition "in one of these projects" of Gerrit's query language, at most 50 of them (queries are to be cheap);
 * undefined where none is left. Names that no project can have are left out: a quote would end the phrase, and behind
 * `^` Gerrit reads an expression.
 */
export function projectsCondition(projects: readonly string[]): string | undefined {
  const phrases = projects.filter((name) => /^[^"\\^][^"\\]*$/.test(name)).slice(0, 50);
  return phrases.length > 0 ? `(${phrases.map((name) => `project:"${name}"`).join(' OR ')})` : undefined;
}

/** Rejects when the signal aborts. */
const aborted = (signal: AbortSignal): Promise<never> =>
  new Promise((_, reject) => {
    if (signal.aborted) reject(signal.reason);
    else signal.addEventListener('abort', () => reject(signal.reason), { once: true });
  });

/**
 * Runs `gerrit query` and gives its rows, newest change first; the last line, with statistics, is left out. Rows are
 * read one by one, and one longer than 8 MiB is passed over.
 *
 * @param options such as `--current-patch-set`
 * @param rows how many at most: queries are to be cheap
 */
export async function queryChanges(
  host: Host,
  options: readonly string[],
  query: string,
  { signal, rows }: { signal: AbortSignal; rows: number },
): Promise<QueryRow[]> {
  const limit = AbortSignal.timeout(TIMEOUT);
  const both = AbortSignal.any([signal, limit]);
  const argv = gerritCommand('query', '--format=JSON', ...options, `${query} limit:${rows}`);
  const found: QueryRow[] = [];
  let refusal: string | undefined;
  const lines = new LineSplitter(
    MAX_ROW,
    (line) => {
      const row = parseObject(line);
      if (row?.type === 'error') refusal = String(row.message);
      else if (row !== undefined && row.type !== 'stats' && found.length < rows) found.push(repairObject(row, ROW));
    },
    () => {},
  );
  const running = await host.start(argv, { signal: both });
  try {
    let stderr = '';
    running.stdin.end();
    running.stdout.on('data', (chunk: Buffer) => lines.push(chunk));
    running.stderr.on('data', (chunk: Buffer) => {
      if (stderr.length < 4096) stderr += chunk.toString();
    });
    const exit = await Promise.race([running.exit, aborted(both)]);
    lines.end();
    if (refusal !== undefined) throw queryRefused(host.label, query, refusal);
    if (exit.code !== 0) throw commandFailed(host.label, 'query', stderr);
    return found;
  } catch (error) {
    if (limit.aborted && !signal.aborted) throw queryTimeout(host.label, TIMEOUT);
    throw error;
  } finally {
    running.close();
  }
}
