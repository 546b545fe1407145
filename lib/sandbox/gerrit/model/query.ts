import { isRecord } from '../../../util/is-record.ts';
import { lastOf, parseOptions } from '../ssh/options.ts';
import { LABEL_NAMES } from './accounts.ts';
import { accountJson, changeJson, gsonLine, patchsetJson, seconds } from './events.ts';
import { compileQuery, QueryError } from './query-language.ts';
import { fatal } from './refusal.ts';
import type { Site } from './site.ts';
import { type Account, type Change, isOpen, newest, type Patchset } from './types.ts';

const FLAGS = [
  '--all-approvals',
  '--all-reviewers',
  '--comments',
  '--commit-message',
  '--current-patch-set',
  '--dependencies',
  '--files',
  '--no-limit',
  '--patch-sets',
  '--submit-records',
];
const OPTIONS = [
  ...FLAGS.map((name) => ({ names: [name] })),
  { names: ['--format'], value: true },
  { names: ['--start', '-S'], value: true },
];
/** Rows without a `limit:` (queryLimit of registered users). */
const DEFAULT_MAX_ROW_COUNT = 500;

type Row = Record<string, unknown>;

/**
 * Runs `gerrit query`: one row per change, newest first, and a last one with statistics, as JSON lines or as text. As
 * with the real server, a query that cannot be run results in a row `{"type":"error"}` and exit code 0.
 *
 * @throws Refusal for options that cannot be used
 */
export function queryCommand(site: Site, account: Account, words: readonly string[]): string {
  const started = Date.now();
  const parsed = parseOptions(words, OPTIONS);
  const has = (name: string) => parsed.options.has(name);
  const format = (lastOf(parsed, '--format') ?? 'TEXT').toUpperCase();
  if (format !== 'JSON' && format !== 'TEXT') throw fatal(`"${format}" is not a valid value for "--format"`);
  const start = lastOf(parsed, '--start') ?? '0';
  if (!/^\d+$/.test(start)) throw fatal(`"${start}" is not a valid value for "-S"`);
  if (parsed.args.length === 0) throw fatal('Argument "QUERY" is required');
  const write = format === 'JSON' ? (row: Row) => `${gsonLine(row)}\n` : textRow;
  try {
    const query = compileQuery(parsed.args.join(' '), account);
    const found = site.state.changes
      .filter((change) => query.matches(change))
      .sort((a, b) => b.updatedOn - a.updatedOn || b.number - a.number)
      .slice(Number(start));
    const limit = query.limit ?? (has('--no-limit') ? Number.POSITIVE_INFINITY : DEFAULT_MAX_ROW_COUNT);
    const rows = found.slice(0, limit).map((change) => changeRow(site, change, has));
    const stats = {
      type: 'stats',
      rowCount: rows.length,
      runTimeMilliseconds: Date.now() - started,
      moreChanges: found.length > limit,
    };
    return [...rows, stats].map(write).join('');
  } catch (error) {
    if (!(error instanceof QueryError)) throw error;
    return write({ type: 'error', message: error.message });
  }
}

function changeRow(site: Site, change: Change, has: (flag: string) => boolean): Row {
  const current = newest(change);
  const { commitMessage, createdOn, status, ...facts } = changeJson(change, current, site.httpUrl);
  const comments = has('--comments');
  const all = has('--all-approvals');
  return {
    ...facts,
    ...(has('--commit-message') && { commitMessage }),
    hashtags: [],
    createdOn,
    lastUpdated: seconds(change.updatedOn),
    open: status === 'NEW',
    status,
    ...(comments && {
      comments: change.messages.map(({ date, author, message }) => ({
        timestamp: seconds(date),
        reviewer: accountJson(author),
        message,
      })),
    }),
    ...(has('--current-patch-set') && { currentPatchSet: patchsetRow(change, current, true, comments) }),
    ...((has('--patch-sets') || all) && {
      patchSets: change.patchsets.map((patchset) => patchsetRow(change, patchset, all, comments)),
    }),
    ...(has('--submit-records') && { submitRecords: [submitRecord(change)] }),
  };
}

/** Returns the submit records: the project's labels, and who voted on them; none is required here. */
function submitRecord(change: Change): Row {
  const labels = [...LABEL_NAMES].sort().map((label) => {
    const vote = newest(change).votes.findLast((one) => one.label === label);
    return { label, status: 'MAY', ...(vote && { by: accountJson(vote.by) }) };
  });
  return { status: isOpen(change) ? 'OK' : 'CLOSED', labels };
}

function patchsetRow(change: Change, patchset: Patchset, approvals: boolean, comments: boolean): Row {
  const { sizeInsertions, sizeDeletions, ...facts } = patchsetJson(patchset);
  const onFiles = change.messages
    .filter((one) => one.patchset === patchset.number)
    .flatMap((one) => (one.comments ?? []).map((comment) => ({ ...comment, by: one.author })))
    .sort((a, b) => (a.file < b.file ? -1 : a.file > b.file ? 1 : 0));
  return {
    ...facts,
    ...(approvals &&
      patchset.votes.length > 0 && {
        approvals: patchset.votes.map(({ label, value, by, date }) => ({
          type: label,
          description: label,
          value: String(value),
          grantedOn: seconds(date),
          by: accountJson(by),
        })),
      }),
    ...(comments &&
      onFiles.length > 0 && {
        comments: onFiles.map(({ file, line, by, message }) => ({
          file,
          line,
          reviewer: accountJson(by),
          message,
        })),
      }),
    sizeInsertions,
    sizeDeletions,
  };
}

/** Returns a row as `gerrit query` prints it as text: `name: value`, nested values indented by two. */
function textRow(row: Row): string {
  const isChange = 'id' in row;
  return `${isChange ? `change ${String(row['id'])}\n` : ''}${textOf(row, isChange ? '  ' : '')}\n`;
}

function textOf(row: Row, indent: string): string {
  return Object.entries(row)
    .map(([name, value]) => {
      const timed = /^(createdOn|lastUpdated|timestamp|grantedOn)$/.test(name) && typeof value === 'number';
      if (timed)
        return `${indent}${name}: ${new Date(value * 1000).toISOString().slice(0, 19).replace('T', ' ')} UTC\n`;
      if (Array.isArray(value)) {
        const items = value.map((one) =>
          typeof one === 'object' ? `${textOf(one, `${indent}  `)}\n` : `${indent}  ${one}\n`,
        );
        return `${indent}${name}:\n${items.join('')}`;
      }
      if (isRecord(value)) return `${indent}${name}:\n${textOf(value, `${indent}  `)}`;
      return `${indent}${name}: ${String(value).replaceAll('\n', `\n${indent}  `)}\n`;
    })
    .join('');
}
