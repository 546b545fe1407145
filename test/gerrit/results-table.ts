/** A job in Gerrit's results table. */
export interface TableRow {
  job: string;
  link?: string;
  result: string;
  message?: string;
  time?: string;
  voting: boolean;
}

export interface Table {
  status?: string;
  pipeline?: string;
  rows: TableRow[];
}

const HEADER = /^Build (?<status>\w+)(?: \((?<pipeline>\w+) pipeline\))?\./;
const LINE =
  /^- (?<job>[^ ]+) (?:(?<link>https?:\/\/[^ ]+)|[^ ]+) : (?:ERROR (?<message>.*?) in (?<errorTime>.*)|(?<result>[^ ]+)(?: in (?<time>.*))?)/;

/**
 * Parses a message as Gerrit's plugin zuul-results-summary does: a header, then job lines with single spaces, with
 * ` (non-voting)` after the time. Throws if there is no header, since the plugin then shows no table.
 */
export function parseTable(message: string): Table {
  const header = message
    .split('\n')
    .map((line) => HEADER.exec(line)?.groups)
    .find((groups) => groups !== undefined);
  if (header === undefined) throw new Error(`no results header in: ${message.slice(0, 200)}`);
  const rows = message.split('\n').flatMap((line): TableRow[] => {
    const groups = LINE.exec(line)?.groups;
    if (groups === undefined) return [];
    const { job, link, message: text, errorTime, result } = groups;
    const time = errorTime ?? groups.time;
    const voting = !time?.endsWith(' (non-voting)');
    const row: TableRow = { job: job!, result: result ?? 'ERROR', voting };
    if (link !== undefined) row.link = link;
    if (text !== undefined) row.message = text;
    if (time !== undefined) row.time = time.replace(/ \(non-voting\)$/, '');
    return [row];
  });
  return { status: header.status, pipeline: header.pipeline, rows };
}
