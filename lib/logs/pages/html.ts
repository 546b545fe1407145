import { readFileSync } from 'node:fs';
import { join } from 'node:path';

const ENTITIES: Record<string, string> = { '&': '&amp;', '<': '&lt;', '>': '&gt;', '"': '&quot;', "'": '&#39;' };

/** Text for HTML, good between tags and inside quoted attributes. */
export const escapeHtml = (text: string): string => text.replace(/[&<>"']/g, (sign) => ENTITIES[sign]!);

/** Markup that needs no escaping. */
export class Html {
  readonly text: string;
  constructor(text: string) {
    this.text = text;
  }
}

type Part = Html | string | number | undefined | false | readonly Part[];

const render = (part: Part): string => {
  if (part instanceof Html) return part.text;
  if (part === undefined || part === false) return '';
  if (typeof part === 'object') return part.map(render).join('');
  return escapeHtml(String(part));
};

/** A template whose values are escaped, but for values that are `Html` already; undefined and false show nothing. */
export const html = (strings: TemplateStringsArray, ...parts: Part[]): Html =>
  new Html(strings.reduce((all, text, index) => all + render(parts[index - 1]) + text));

/** A link to a URL from outside: only http and https ones, or relative ones of our own, become links. */
export function safeUrl(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  return /^https?:\/\//i.test(url) ? url : undefined;
}

/** A style sheet beside this file. */
const sheet = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');

const BASE = sheet('base.css');

/** Style sheets of a page, to be put into it: the pages' policy allows no other. */
export const styles = (...names: string[]): Html =>
  new Html(`<style>
${BASE}${names.map(sheet).join('')}</style>`);

/** The beginning of a page. `refresh`: seconds after which a browser loads it again. */
export const pageHead = (title: string, style: Html, refresh?: number): Html => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
${refresh === undefined ? undefined : html`<meta http-equiv="refresh" content="${refresh}">\n`}<title>${title}</title>
<link rel="icon" href="data:,">
${style}
</head>
`;
