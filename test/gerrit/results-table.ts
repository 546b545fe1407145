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
 * Reads a message as the zuul-results-summary plugin of Gerrit's UI does, by the rules written down about it: header,
 * then job lines with single spaces, ` (non-voting)` behind the time. Throws where the header is not read, since the
 * whole message is not shown then.
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
    const { job, link, message: words, errorTime, result } = groups;
    const time = errorTime ?? groups.time;
    const voting = !time?.endsWith(' (non-voting)');
    const row: TableRow = { job: job!, result: result ?? 'ERROR', voting };
    if (link !== undefined) row.link = link;
    if (words !== undefined) row.message = words;
    if (time !== undefined) row.time = time.replace(/ \(non-voting\)$/, '');
    return [row];
  });
  return { status: header.status, pipeline: header.pipeline, rows };
}
