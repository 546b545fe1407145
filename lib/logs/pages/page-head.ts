import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Html, html } from '../../util/html.ts';

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
