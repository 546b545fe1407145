import { setTimeout as sleep } from 'node:timers/promises';
import { commandFailed } from '../../errors/gerrit.ts';
import type { Host } from '../../ssh/types.ts';
import { gerritCommand } from '../command.ts';
import { projectsCondition, type QueryRow, queryChanges } from '../query.ts';
import { sendReview } from './post.ts';

/** Milliseconds of silence that mean success: a refusal to stream arrives at once. */
const STREAM_WAIT_MS = 1_500;

/** Path of a file that no patchset contains. */
const NO_FILE = 'no-such-file-asked-for-by-a-permission-check';

/** Finds out whether the account may read the event stream. @throws CiError if the command fails otherwise */
export async function mayStream(host: Host, signal: AbortSignal): Promise<boolean> {
  const running = await host.start(gerritCommand('stream-events', '-s', 'project-created'), { signal });
  const wait = new AbortController();
  try {
    let said = '';
    running.stdout.resume();
    running.stderr.on('data', (chunk: Buffer) => {
      if (said.length < 4096) said += chunk.toString();
    });
    const timer = sleep(STREAM_WAIT_MS, undefined, { signal: AbortSignal.any([signal, wait.signal]) });
    const exit = await Promise.race([running.exit, timer]);
    if (exit === undefined) return true;
    if (/not permitted/i.test(said)) return false;
    throw commandFailed(host.label, 'stream-events', said);
  } finally {
    wait.abort();
    running.close();
  }
}

/**
 * Finds out whether the account may vote on a label, without leaving a trace: a review with an inline comment on a file
 * that the patchset does not contain is always refused, and a label that may not be used is refused before that.
 *
 * @returns undefined if there is no change to try it on
 */
export async function mayVote(
  host: Host,
  { project, label }: { project?: string; label: string },
  signal: AbortSignal,
): Promise<boolean | undefined> {
  const query = project ? projectsCondition([project]) : 'status:open';
  if (query === undefined) return undefined;
  const options = ['--current-patch-set', '--submit-records'];
  const [row] = await queryChanges(host, options, query, { signal, rows: 1 });
  if (row?.project === undefined || row.number === undefined || row.currentPatchSet?.number === undefined)
    return undefined;
  if (!hasLabel(row, label)) return false;
  const review = {
    labels: { [label]: 1 },
    comments: { [NO_FILE]: [{ line: 1, message: 'May this account vote?' }] },
  };
  const { project: name, number: change } = row;
  const request = { project: name, change, patchset: row.currentPatchSet.number, review };
  const { stderr } = await sendReview(host, request, signal);
  return !/restricted|not permitted/i.test(stderr);
}

/** Whether a change has a label, because Gerrit silently drops unknown ones; undefined without submit records. */
function hasLabel(row: QueryRow, label: string): boolean {
  const labels = (row.submitRecords ?? []).flatMap((record) => record.labels ?? []);
  return labels.length === 0 || labels.some((entry) => entry.label === label);
}
