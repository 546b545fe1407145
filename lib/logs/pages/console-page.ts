import { type FileHandle, open } from 'node:fs/promises';
import { RESULTS, type Result } from '../../model/result.ts';
import { formatCount, formatSize } from '../../util/format.ts';
import { html } from '../../util/html.ts';
import { countLines, type Line, readLines } from '../../util/line-reader.ts';
import { FLOOD_PIECE } from '../console.ts';
import { STAMP } from '../stamp.ts';
import { AnsiHtml } from './ansi.ts';
import { pageHead, styles } from './page-head.ts';
import { resultWords } from './result-words.ts';

/** How much of a console one page shows; a browser opens that without a stutter. */
const ALL = { lines: 100_000, bytes: 24 << 20 };
/** Of a longer one: its beginning and its end. */
const HEAD = { lines: 20_000, bytes: 5 << 20 };
const TAIL = { lines: 80_000, bytes: 19 << 20 };
/** Bytes shown of one line. */
const LINE = 8 << 10;
/** Bytes read before the first line of an end, to meet the time of a line that has none of its own. */
const BEFORE = 2 * FLOOD_PIECE;
/** A line of our own that begins or ends a step begins so; one that ends it closes with the result and how long it took. */
const HEADING = '=== ';
const ENDED = new RegExp(`: (${RESULTS.join('|')}) in [0-9.]+ s$`);
/** Lines that a browser lays out together, when they come into view. */
const GROUP = 100;

const STYLE = styles('console.css', 'ansi.css');

export interface ConsolePage {
  /** What the page is headed: job and change. */
  title: string;
  /** Still being written. */
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

  /** Passes a line that is not shown: one after it may have its time from it. Gives what stands behind the time. */
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
    const ended = heading && (ENDED.exec(said)?.[1] as Result | undefined);
    const mark = ended ? ` class="own ${resultWords(ended).tone}"` : heading ? ' class=own' : '';
    this.#group.push(`<p id=L${number}${mark}><a href=#L${number} data-t=${this.#time}>${number}</a>${shown}${rest}\n`);
    return this.#group.length === GROUP ? this.end() : '';
  }

  /** The group so far, closed. */
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
  for await (const lines of readLines(handle, { ...range, limit: LINE })) {
    const from = Math.max(0, skip - index);
    for (const { text } of lines.slice(0, from)) groups.pass(text);
    const take = lines.slice(from, Math.max(0, skip + most - index));
    index += lines.length;
    yield take.map((line) => groups.line(line)).join('');
    if (index >= skip + most) break;
  }
  yield groups.end();
}

/** The page of a console, piece by piece: all of it, or its beginning and end where it is long. */
export async function* consolePage(file: string, page: ConsolePage): AsyncGenerator<string> {
  const handle = await open(file, 'r');
  try {
    const { size } = await handle.stat();
    const newlines = await countLines(handle, 0, size);
    const whole = newlines <= ALL.lines && size <= ALL.bytes;
    yield html`${pageHead(`Console: ${page.title}`, STYLE)}<body>
<header>
<h1>Console of <a href="./">${page.title}</a></h1>
<span>${formatCount(newlines)} lines, ${formatSize(size)}, times are UTC${page.running && ', still running'}</span>
<nav><a href="#end">end</a><a href="console.log">raw</a></nav>
</header>
<main style="--digits:${String(newlines).length}">
`.text;
    if (whole) {
      yield* part(handle, { start: 0, end: size }, 0, 1, ALL.lines + 1);
    } else {
      const headEnd = Math.min(size, HEAD.bytes);
      const headLines = Math.min(HEAD.lines, await countLines(handle, 0, headEnd));
      yield* part(handle, { start: 0, end: headEnd }, 0, 1, headLines);
      const least = Math.max(0, size - TAIL.bytes);
      const start = Math.max(0, least - BEFORE);
      const before = await countLines(handle, 0, start);
      // The first line after `least` has lost its beginning; others are shown already, or are more than a page takes.
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
