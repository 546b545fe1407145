import type { ChangeInfo } from '../model/change.ts';
import { render } from '../template/render.ts';
import { formatZuulDuration } from '../util/format.ts';
import type { BuildOutcome } from './vote.ts';
import { voteOf } from './vote.ts';

/** Bytes of a message that Gerrit accepts: its limit is 16 KiB including its own header, and Zuul cuts here too. */
export const MAX_MESSAGE_BYTES = 16_056;
/** Bytes of the header and of the footer, so that both always fit. */
const MAX_PART_BYTES = 4096;
/** Bytes of a job's line; only its URL can be long. */
const MAX_LINE_BYTES = 2048;

/** Mustache templates of the parts of a report. */
export interface ReportTemplates {
  /** The first line must be `Build <status> (<pipeline> pipeline).` for Gerrit's results table. */
  header: string;
  jobLine: string;
  footer: string;
}

/** Templates that the zuul-results-summary plugin of Gerrit's UI shows as a table. */
export const DEFAULT_TEMPLATES: ReportTemplates = {
  header: 'Build {{status}} ({{pipeline}} pipeline).',
  jobLine: '- {{name}} {{url}} : {{result}} in {{time}}{{#nonVoting}} (non-voting){{/nonVoting}}',
  footer:
    '{{#infrastructure}}Infrastructure problem, not your patch: no vote.\n{{/infrastructure}}Comment "{{recheck}}" to run again.{{#contact}} About this CI: {{contact}}{{/contact}}',
};

/** One job's line of a report. */
export interface ReportedBuild extends BuildOutcome {
  job: string;
  /** URL of its logs. */
  url?: string;
  /** Milliseconds. */
  duration: number;
  /** What failed; the table shows it next to ERROR. */
  message?: string;
}

/** What a report is composed of. */
export interface ReportInput {
  /** Missing ones are DEFAULT_TEMPLATES. */
  templates?: Partial<ReportTemplates>;
  /** Letters, digits, underscores; otherwise Gerrit's table does not show the message. */
  pipeline: string;
  builds: readonly ReportedBuild[];
  ciName: string;
  change: ChangeInfo;
  /** URL of a page about the CI, with a contact. */
  contact?: string;
}

/** Cuts a text to `limit` bytes of UTF-8 including an ellipsis, between two characters. */
export function clipBytes(text: string, limit: number): string {
  const bytes = Buffer.from(text);
  if (bytes.length <= limit) return text;
  let end = limit - 3;
  // 10xxxxxx is the middle of a character.
  while (end > 0 && (bytes[end]! & 0xc0) === 0x80) end--;
  return `${bytes.toString('utf8', 0, end)}…`;
}

/** Puts a text from outside on one line: a line break in it could forge a job's line. */
const oneLine = (text: string): string => text.replace(/[\s\u0000-\u001f\u007f\u0085\u2028\u2029]+/g, ' ').trim();

/** Returns a text without spaces: one in a job's name or URL would shift the columns. */
const word = (text: string, filler: string): string => oneLine(text).replaceAll(' ', filler);

/**
 * Returns the status of a buildset: one word, or Gerrit's table does not show the message. `succeeded` turns the
 * table's tick green; `unfinished` means that only the infrastructure failed or that builds were aborted. If there are
 * voting builds, only they decide.
 */
function statusOf(builds: readonly BuildOutcome[]): string {
  const deciding = builds.some(({ voting }) => voting) ? builds : builds.map((build) => ({ ...build, voting: true }));
  const vote = voteOf(deciding);
  if (vote === 'success') return 'succeeded';
  if (vote === 'failure') return 'failed';
  return builds.every(({ result }) => result === 'SKIPPED') ? 'skipped' : 'unfinished';
}

function jobView(build: ReportedBuild): Record<string, unknown> {
  const note = build.result === 'ERROR' && build.message ? ` ${clipBytes(oneLine(build.message), 300)}` : '';
  const url = build.url ? word(build.url, '%20') : 'no-logs';
  const result = `${build.result}${note}`;
  const name = word(build.job, '_') || 'job';
  const time = formatZuulDuration(build.duration);
  // The build's folders below the URL of the logs: change, patchset, pipeline, job, id.
  const log_path = url.split('/').filter(Boolean).slice(-5).join('/');
  return { name, url, log_path, result, success: result, voting: build.voting, nonVoting: !build.voting, time };
}

/** Returns the lines that fit into `room` bytes: those in the middle are dropped first, and replaced by their count. */
function fitLines(lines: readonly string[], room: number): string[] {
  const size = (some: readonly string[]) => some.reduce((sum, line) => sum + Buffer.byteLength(line) + 1, 0);
  if (size(lines) <= room) return [...lines];
  const head = [...lines.slice(0, Math.ceil(lines.length / 2))];
  const tail = [...lines.slice(head.length)];
  const note = () => `(${lines.length - head.length - tail.length} more jobs omitted to keep this message short)`;
  while (head.length + tail.length > 0 && size([...head, note(), ...tail]) > room) {
    if (head.length > tail.length) head.pop();
    else tail.shift();
  }
  return [...head, note(), ...tail];
}

/**
 * Composes the review message of a buildset: header, one line per job, footer. Each value from outside is put on one
 * line so that none can forge a line of the table; to fit into Gerrit's limit, job lines in the middle are dropped.
 * Templates get `status` (`succeeded`, as rally-ci called it), `pipeline`, `ci`, `recheck`, `contact`, `change` and
 * `infrastructure`; the job line also `name`, `url` (`log_path`), `result` (`success`), `time`, `voting` and
 * `nonVoting`.
 *
 * @throws CiError if a template cannot be parsed
 */
export function composeReport(input: ReportInput): { message: string; status: string } {
  const templates = { ...DEFAULT_TEMPLATES, ...input.templates };
  const status = statusOf(input.builds);
  const change = Object.fromEntries(
    Object.entries(input.change).map(([key, value]) => [key, typeof value === 'string' ? oneLine(value) : value]),
  );
  const view = {
    status,
    succeeded: status,
    pipeline: input.pipeline.replace(/\W/g, '_'),
    ci: oneLine(input.ciName),
    recheck: `${oneLine(input.ciName)} recheck`.trim(),
    contact: input.contact ? oneLine(input.contact) : undefined,
    infrastructure: status === 'unfinished' && input.builds.some(({ voting }) => voting),
    change,
  };
  const header = clipBytes(render('text', templates.header, view).trim(), MAX_PART_BYTES);
  const footer = clipBytes(render('text', templates.footer, view).trim(), MAX_PART_BYTES);
  const lines = input.builds
    .map((build) => render('text', templates.jobLine, { ...view, ...jobView(build) }))
    .map((line) => clipBytes(line, MAX_LINE_BYTES));
  const room = MAX_MESSAGE_BYTES - Buffer.byteLength(header) - Buffer.byteLength(footer) - 4;
  const parts = [header, fitLines(lines, room).join('\n'), footer];
  return { message: parts.filter((part) => part !== '').join('\n\n'), status };
}
