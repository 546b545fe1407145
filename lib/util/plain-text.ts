/**
 * Escape and control sequences of a terminal (ECMA-48, 5.3 to 5.6), in their 7-bit and 8-bit forms, including ones that
 * were cut off: CSI (its parameters, its final byte), OSC, other control strings, and escapes of two and three bytes.
 */
const SEQUENCES =
  /(?:\x1b\[|\x9b)([0-?]*)[ -/]*([@-~]?)|(?:\x1b\]|\x9d)[^\x07\x1b\x9c\n]*(?:\x07|\x1b\\|\x9c)?|(?:\x1b[PX^_]|[\x90\x98\x9e\x9f])[^\x1b\x9c\n]*(?:\x1b\\|\x9c)?|\x1b([ -/]*[0-~]?)/g;

/** Final bytes of CSI that move the cursor to another line: up, down, next, previous, position, line. */
const OTHER_LINE = 'ABEFHdf';
/** Final bytes of CSI that move it to another column of the same line. */
const OTHER_COLUMN = 'CGa`';
/** Two-byte escapes that move the cursor to another line: index, next line, reverse index, reset. */
const OTHER_LINE_ESCAPES = 'DEMc';

/** Control characters other than tab, line feed, carriage return and backspace. */
const CONTROLS = /[\0-\x07\x0e-\x1f\x7f-\x9f]/g;

/**
 * Characters that change how other text is shown, or show nothing: bidirectional marks and overrides, zero-width ones,
 * interlinear annotation, tags (Unicode, chapter 23).
 */
const INVISIBLE = /[\u061c\u200b\u200e\u200f\u202a-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\u{e0000}-\u{e007f}]/gu;

/** Anything but printable ASCII and tab. */
const UNUSUAL = /[^\t\x20-\x7e]/;

const LINE_ENDS = /\n|\x0b|\x0c|\x85|\u2028|\u2029/;

/** Characters at the end of a long text that are searched for its last lines. */
const MAX_END_CHARS = 16_384;

/** Removes what a terminal would not show as text; line ends, carriage returns, tabs and backspaces stay. */
function withoutSequences(text: string): string {
  return text.replace(SEQUENCES, (_whole, parameters?: string, final?: string, short?: string) => {
    if (final === undefined) return short && OTHER_LINE_ESCAPES.includes(short) ? '\n' : '';
    if (final === '') return '';
    if (OTHER_LINE.includes(final) || (final === 'J' && parameters !== '' && parameters !== '0')) return '\n';
    return OTHER_COLUMN.includes(final) ? ' ' : '';
  });
}

/**
 * Returns a line without escape sequences, control characters other than tab, and characters that reorder or hide text.
 */
export const withoutControls = (line: string): string =>
  UNUSUAL.test(line)
    ? line
        .replace(SEQUENCES, '')
        .replace(/[\b\n\v\f\r]/g, '')
        .replace(CONTROLS, '')
        .replace(INVISIBLE, '')
    : line;

/** Applies each backspace, which deletes the character before it. */
function withoutBackspaces(text: string): string {
  if (!text.includes('\b')) return text;
  const shown: string[] = [];
  for (const character of text) {
    if (character === '\b') shown.pop();
    else shown.push(character);
  }
  return shown.join('');
}

/** Returns what carriage returns leave of a line: a progress bar's last state. */
const lastState = (line: string): string =>
  line
    .split('\r')
    .map(withoutBackspaces)
    .findLast((state) => state.trim() !== '') ?? '';

/**
 * Returns the lines that a terminal would have shown, without empty ones: no escape sequences, no control characters
 * other than tab, nothing that reorders or hides text. A move of the cursor to another line begins a new line.
 */
export function plainLines(text: string): string[] {
  return withoutSequences(text.toWellFormed())
    .split(LINE_ENDS)
    .map((line) => withoutControls(lastState(line)).trimEnd())
    .filter((line) => line !== '');
}

/** Returns a line of a console as plain text. */
export const plainLine = (line: string): string => plainLines(line).join(' ');

/** Returns the last `count` plain lines of a text, each trimmed and of at most `length` characters. */
export function lastPlainLines(text: string, count: number, length = 300): string[] {
  let end = text;
  if (text.length > MAX_END_CHARS) {
    end = text.slice(-MAX_END_CHARS);
    // The first line lost its beginning, possibly within an escape sequence.
    const newline = end.indexOf('\n');
    if (newline >= 0) end = end.slice(newline + 1);
  }
  return plainLines(end)
    .map((line) => clip(line.trim(), length))
    .filter((line) => line !== '')
    .slice(-count);
}

/**
 * Returns what a program or a guest wrote as part of a sentence: one line of plain text, lines separated by ` / `.
 *
 * @param lines how many of the first lines, or if negative of the last ones
 * @param length characters of the result
 */
export function quoted(text: string, lines = -3, length = 400): string {
  const all =
    lines < 0 ? lastPlainLines(text, -lines, length) : plainLines(text.slice(0, MAX_END_CHARS)).slice(0, lines);
  return clip(all.map((line) => line.replace(/\s+/g, ' ').trim()).join(' / '), length);
}

/** Returns a message without anything that could change its look or a terminal's. Line ends stay. */
export const harmless = (message: string): string =>
  withoutSequences(message.toWellFormed())
    .replace(/\r\n?|\x0b|\x0c|\x85|\u2028|\u2029/g, '\n')
    .replace(/\x08/g, '')
    .replace(CONTROLS, '')
    .replace(INVISIBLE, '');

/** Cuts a text to `length` characters including an ellipsis, never within a character. */
export function clip(text: string, length: number): string {
  if (text.length <= length) return text;
  return `${text.slice(0, length - 1).replace(/[\ud800-\udbff]$/, '')}…`;
}
