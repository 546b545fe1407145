import { escapeHtml } from '../../util/html.ts';
import { withoutControls } from '../../util/plain-text.ts';

/** What a terminal's SGR sequences have set. Colors: a palette index, or `#rrggbb`. */
interface Style {
  fg?: number | string | undefined;
  bg?: number | string | undefined;
  bold?: boolean;
  dim?: boolean;
  italic?: boolean;
  underline?: boolean;
  inverse?: boolean;
  strike?: boolean;
}

const hex = (r: number, g: number, b: number): string =>
  `#${[r, g, b].map((value) => Math.min(255, value).toString(16).padStart(2, '0')).join('')}`;

/** Returns color 16 to 255 of xterm's palette. */
function paletteColor(index: number): string {
  if (index >= 232) return hex(...(Array(3).fill(8 + (index - 232) * 10) as [number, number, number]));
  const level = (value: number) => (value === 0 ? 0 : 55 + value * 40);
  const cube = index - 16;
  return hex(level(Math.floor(cube / 36)), level(Math.floor(cube / 6) % 6), level(cube % 6));
}

/** Takes the color after 38 or 48 off the front of `codes`. */
function extendedColor(codes: number[]): number | string | undefined {
  const kind = codes.shift();
  if (kind === 5) {
    const index = codes.shift() ?? 0;
    return index < 16 ? index : paletteColor(Math.min(255, index));
  }
  if (kind === 2) return hex(codes.shift() ?? 0, codes.shift() ?? 0, codes.shift() ?? 0);
  return undefined;
}

/** Applies the parameters of one SGR sequence (ECMA-48, 8.3.117; 90 to 107 and 38/48 as in xterm). */
function applySgr(style: Style, parameters: string): Style {
  const codes = parameters === '' ? [0] : parameters.slice(0, 200).split(/[;:]/).map(Number);
  let next: Style = { ...style };
  while (codes.length > 0) {
    const code = codes.shift()!;
    if (code === 0) next = {};
    else if (code === 1) next.bold = true;
    else if (code === 2) next.dim = true;
    else if (code === 3) next.italic = true;
    else if (code === 4) next.underline = true;
    else if (code === 7) next.inverse = true;
    else if (code === 9) next.strike = true;
    else if (code === 22) next = { ...next, bold: false, dim: false };
    else if (code === 23) next.italic = false;
    else if (code === 24) next.underline = false;
    else if (code === 27) next.inverse = false;
    else if (code === 29) next.strike = false;
    else if (code >= 30 && code <= 37) next.fg = code - 30;
    else if (code === 38) next.fg = extendedColor(codes);
    else if (code === 39) next.fg = undefined;
    else if (code >= 40 && code <= 47) next.bg = code - 40;
    else if (code === 48) next.bg = extendedColor(codes);
    else if (code === 49) next.bg = undefined;
    else if (code >= 90 && code <= 97) next.fg = code - 82;
    else if (code >= 100 && code <= 107) next.bg = code - 92;
  }
  return next;
}

/** Whether black is more readable than white on `#rrggbb`, by its luma (Rec. 601). */
const isLight = (color: string): boolean => {
  const [red, green, blue] = [1, 3, 5].map((at) => Number.parseInt(color.slice(at, at + 2), 16));
  return red! * 0.299 + green! * 0.587 + blue! * 0.114 > 140;
};

/** Returns the attributes of a span for a style: classes for colors of the page's palette, a style for the rest. */
function attributes(style: Style): string {
  const [fg, bg] = style.inverse ? [style.bg ?? 'bg', style.fg ?? 'fg'] : [style.fg, style.bg];
  const classes: string[] = [];
  const rules: string[] = [];
  const color = (value: number | string | undefined, letter: string, rule: string) => {
    if (typeof value === 'number') classes.push(`${letter}${value}`);
    else if (value?.startsWith('#')) rules.push(`${rule}:${value}`);
    else if (value !== undefined) classes.push(`${letter}-${value}`);
  };
  color(fg, 'f', 'color');
  color(bg, 'b', 'background');
  // On a background, use a terminal's own colors: those of the page's light or dark theme could be unreadable.
  if (bg !== undefined && bg !== 'fg') classes.push('on');
  if (fg === undefined && typeof bg === 'string' && bg !== 'fg') rules.push(`color:${isLight(bg) ? '#000' : '#fff'}`);
  for (const name of ['bold', 'dim', 'italic', 'underline', 'strike'] as const) if (style[name]) classes.push(name);
  const text = classes.length > 0 ? ` class="${classes.join(' ')}"` : '';
  return rules.length > 0 ? `${text} style="${rules.join(';')}"` : text;
}

/** Carriage returns that a serial console puts before a newline; they overwrite nothing. */
const TRAILING_RETURNS = /\r+$/;

const SGR = /\x1b\[([0-9;:]*)m/g;

/** Turns console lines into HTML, in order: colors last beyond the end of a line, as in a terminal. */
export class AnsiHtml {
  #style: Style = {};
  #attributes = '';

  /** Resets the style, before a line that is not from the guest. */
  reset(): void {
    this.#style = {};
    this.#attributes = '';
  }

  /** Returns the HTML of a line without its newline; its only markup is spans. */
  line(text: string): string {
    if (!text.includes('\x1b')) return this.#add('', text.replace(TRAILING_RETURNS, ''));
    let html = '';
    let from = 0;
    for (const match of text.matchAll(SGR)) {
      html = this.#add(html, text.slice(from, match.index));
      this.#style = applySgr(this.#style, match[1]!);
      this.#attributes = attributes(this.#style);
      from = match.index + match[0].length;
    }
    return this.#add(html, text.slice(from).replace(TRAILING_RETURNS, ''));
  }

  /** Adds text without what a carriage return would have overwritten. */
  #add(html: string, text: string): string {
    const back = text.lastIndexOf('\r');
    return back === -1 ? html + this.#span(text) : this.#span(text.slice(back + 1));
  }

  #span(text: string): string {
    const shown = escapeHtml(withoutControls(text));
    return this.#attributes === '' || shown === '' ? shown : `<span${this.#attributes}>${shown}</span>`;
  }
}
