import { setTimeout as sleep } from 'node:timers/promises';
import { commandFailed } from '../../errors/gerrit.ts';
import type { Host } from '../../ssh/types.ts';
import { gerritCommand } from '../command.ts';
import { projectsCondition, type QueryRow, queryChanges } from '../query.ts';
import { sendReview } from './post.ts';

/** A refusal to stream comes at once; a stream that was granted says nothing. */
const STREAM_WAIT = 1_500;

/** A file that no patchset has. */
const NO_FILE = 'no-such-file-asked-for-by-a-permission-check';

/** Whether the account may read the event stream. */
export async function mayStream(host: Host, signal: AbortSignal): Promise<boolean> {
  const running = await host.start(gerritCommand('stream-events', '-s', 'project-created'), { signal });
  const wait = new AbortController();
  try {
    let said = '';
    running.stdout.resume();
    running.stderr.on('data', (chunk: Buffer) => {
      if (said.length < 4096) said += chunk.toString();
    });
    const timer = sleep(STREAM_WAIT, undefined, { signal: AbortSignal.any([signal, wait.signal]) });
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
 * Whether the account may give a label, tried on a change without leaving a trace: a review whose inline comment
 * stands on a file that the patchset lacks is refused always, and a label that may not be given is refused before.
 * Undefined where there is no change to try it on.
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

/** An unknown label is dropped without a word, so that it must be looked for; no record at all tells nothing. */
function hasLabel(row: QueryRow, label: string): boolean {
  const labels = (row.submitRecords ?? []).flatMap((record) => record.labels ?? []);
  return labels.length === 0 || labels.some((entry) => entry.label === label);
}
