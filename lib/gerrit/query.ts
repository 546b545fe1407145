import { commandFailed, queryRefused, queryTimeout } from '../errors/gerrit.ts';
import type { Host } from '../ssh/types.ts';
import { abortable } from '../util/abort.ts';
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

/** A change in the output of `gerrit query`; its fields depend on the options, and any may be missing. */
export interface QueryRow extends GerritChange {
  open?: boolean;
  /** Seconds since the epoch. */
  lastUpdated?: number;
  /** With --comments: the change's messages, oldest first. Inline comments are only counted there. */
  comments?: { timestamp?: number; reviewer?: GerritAccount; message?: string }[];
  /** With --current-patch-set. */
  currentPatchSet?: GerritPatchset & {
    /** All votes that are not 0. */
    approvals?: (GerritApproval & { by?: GerritAccount })[];
    /** With --comments: inline and patchset-level (`/PATCHSET_LEVEL`) comments, without a time. */
    comments?: { file?: string; reviewer?: GerritAccount; message?: string }[];
  };
  /** With --submit-records: names all labels of the change. */
  submitRecords?: { labels?: { label?: string }[] }[];
}

/** Bytes of the longest row that is read: with --comments a busy change has megabytes. */
const MAX_ROW_BYTES = 8 * 1024 * 1024;
const QUERY_TIMEOUT_MS = 60_000;

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
 * Returns the condition "in one of these projects" of Gerrit's query language, with at most 50 of them because queries
 * should be cheap; undefined if none is left. Names that no project can have are skipped: a quote would end the phrase,
 * and `^` begins a regular expression.
 */
export function projectsCondition(projects: readonly string[]): string | undefined {
  const phrases = projects.filter((name) => /^[^"\\^][^"\\]*$/.test(name)).slice(0, 50);
  return phrases.length > 0 ? `(${phrases.map((name) => `project:"${name}"`).join(' OR ')})` : undefined;
}

/**
 * Runs `gerrit query` and returns its rows, newest change first, without the last line with statistics. A row longer
 * than 8 MiB is skipped.
 *
 * @param options such as `--current-patch-set`
 * @param rows how many at most: queries should be cheap
 * @throws CiError if the query is refused, fails or takes too long; the signal's reason when aborted
 */
export async function queryChanges(
  host: Host,
  options: readonly string[],
  query: string,
  { signal, rows }: { signal: AbortSignal; rows: number },
): Promise<QueryRow[]> {
  const limit = AbortSignal.timeout(QUERY_TIMEOUT_MS);
  const both = AbortSignal.any([signal, limit]);
  const argv = gerritCommand('query', '--format=JSON', ...options, `${query} limit:${rows}`);
  const found: QueryRow[] = [];
  let refusal: string | undefined;
  const lines = new LineSplitter(
    MAX_ROW_BYTES,
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
    const exit = await abortable(running.exit, both);
    lines.end();
    if (refusal !== undefined) throw queryRefused(host.label, query, refusal);
    if (exit.code !== 0) throw commandFailed(host.label, 'query', stderr);
    return found;
  } catch (error) {
    if (limit.aborted && !signal.aborted) throw queryTimeout(host.label, QUERY_TIMEOUT_MS);
    throw error;
  } finally {
    running.close();
  }
}
