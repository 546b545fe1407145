import { type FileHandle, open } from 'node:fs/promises';
import { RESULTS, type Result } from '../../model/result.ts';
import { formatCount, formatSize } from '../../util/format.ts';
import { html } from '../../util/html.ts';
import { countLines, type Line, readLines } from '../../util/line-reader.ts';
import { FLOOD_BYTES } from '../console.ts';
import { STAMP } from '../stamp.ts';
import { AnsiHtml } from './ansi.ts';
import { pageHead, styles } from './page-head.ts';
import { resultWords } from './result-words.ts';

/** How much of a console one page shows: what a browser opens smoothly. */
const WHOLE = { lines: 100_000, bytes: 24 << 20 };
/** Beginning and end shown of a longer one. */
const HEAD = { lines: 20_000, bytes: 5 << 20 };
const TAIL = { lines: 80_000, bytes: 19 << 20 };
/** Bytes shown of one line. */
const MAX_LINE_BYTES = 8 << 10;
/** Bytes read before the end's first line, to find the time of a line without one. */
const BEFORE_BYTES = 2 * FLOOD_BYTES;
/** Prefix of Recheck's lines at the start and end of a step; the latter has its result and duration. */
const HEADING = '=== ';
const STEP_END = new RegExp(`: (${RESULTS.join('|')}) in [0-9.]+ s$`);
/** Lines that a browser lays out together when they scroll into view. */
const GROUP_LINE_COUNT = 100;

const STYLE = styles('console.css', 'ansi.css');

/** What a console's page shows besides the console. */
export interface ConsolePage {
  /** Heading: job and change. */
  title: string;
  /** Whether output is still being written. */
  running: boolean;
}

/** Turns lines into numbered paragraphs, in groups. */
class Groups {
  readonly #ansi = new AnsiHtml();
  #number: number;
  #time = '-';
  #group: string[] = [];

  constructor(first: number) {
    this.#number = first;
  }

  /** Takes the time of a line that is not shown, for lines after it. @returns the text after the time */
  pass(text: string): string {
    const stamp = STAMP.exec(text);
    if (stamp === null) return text;
    this.#time = stamp[2]!;
    return text.slice(stamp[0].length);
  }

  line({ text, more }: Line): string {
    const said = this.pass(text);
    const heading = said.startsWith(HEADING);
    if (heading) this.#ansi.reset();
    const shown = this.#ansi.line(said);
    const rest = more > 0 ? ` <em>… ${formatSize(more)} more of this line in the raw log</em>` : '';
    const number = this.#number++;
    const ended = heading && (STEP_END.exec(said)?.[1] as Result | undefined);
    const mark = ended ? ` class="own ${resultWords(ended).tone}"` : heading ? ' class=own' : '';
    this.#group.push(`<p id=L${number}${mark}><a href=#L${number} data-t=${this.#time}>${number}</a>${shown}${rest}\n`);
    return this.#group.length === GROUP_LINE_COUNT ? this.end() : '';
  }

  /** Ends the current group and returns it. */
  end(): string {
    if (this.#group.length === 0) return '';
    const group = `<section style="--n:${this.#group.length}">\n${this.#group.join('')}</section>\n`;
    this.#group = [];
    return group;
  }
}

async function* part(
  handle: FileHandle,
  range: { start: number; end: number },
  skip: number,
  first: number,
  most: number,
) {
  const groups = new Groups(first);
  let index = 0;
  for await (const lines of readLines(handle, { ...range, limit: MAX_LINE_BYTES })) {
    const from = Math.max(0, skip - index);
    for (const { text } of lines.slice(0, from)) groups.pass(text);
    const take = lines.slice(from, Math.max(0, skip + most - index));
    index += lines.length;
    yield take.map((line) => groups.line(line)).join('');
    if (index >= skip + most) break;
  }
  yield groups.end();
}

/** Yields the page of a console in pieces: all of it, or the beginning and end of a long one. */
export async function* consolePage(file: string, page: ConsolePage): AsyncGenerator<string> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const newlines = await countLines(handle, 0, size);
    const whole = newlines <= WHOLE.lines && size <= WHOLE.bytes;
    yield html`${pageHead(`Console: ${page.title}`, STYLE)}<body>
<header>
<h1>Console of <a href="./">${page.title}</a></h1>
<span>${formatCount(newlines)} lines, ${formatSize(size)}, times are UTC${page.running && ', still running'}</span>
<nav><a href="#end">end</a><a href="console.log">raw</a></nav>
</header>
<main style="--digits:${String(newlines).length}">
`.text;
    if (whole) {
      yield* part(handle, { start: 0, end: size }, 0, 1, WHOLE.lines + 1);
    } else {
      const headEnd = Math.min(size, HEAD.bytes);
      const headLines = Math.min(HEAD.lines, await countLines(handle, 0, headEnd));
      yield* part(handle, { start: 0, end: headEnd }, 0, 1, headLines);
      const least = Math.max(0, size - TAIL.bytes);
      const start = Math.max(0, least - BEFORE_BYTES);
      const before = await countLines(handle, 0, start);
      // The first line after `least` has lost its beginning; the others are already shown, or too many for a page.
      const lost = least === 0 ? 0 : 1 + (await countLines(handle, start, least));
      const skip = Math.max(lost, newlines - before - TAIL.lines, headLines - before);
      const first = before + skip + 1;
      yield html`<aside>Lines ${formatCount(headLines + 1)} to ${formatCount(first - 1)} are not shown because this console is long. The <a href="console.log">raw log</a> is complete.</aside>
`.text;
      yield* part(handle, { start, end: size }, skip, first, TAIL.lines + 1);
    }
    yield '</main>\n<a id="end"></a>\n</body>\n</html>\n';
  } finally {
    await handle.close();
  }
}
