import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { Html, html } from '../../util/html.ts';

/** Returns a URL from outside if it may become a link, which only http and https ones may. */
export function safeUrl(url: string | undefined): string | undefined {
  if (url === undefined) return undefined;
  return /^https?:\/\//i.test(url) ? url : undefined;
}

/** Reads a style sheet next to this file. */
const sheet = (name: string): string => readFileSync(join(import.meta.dirname, name), 'utf8');

const BASE = sheet('base.css');

/** Returns style sheets as part of a page: the pages' policy allows no others. */
export const styles = (...names: string[]): Html =>
  new Html(`<style>
${BASE}${names.map(sheet).join('')}</style>`);

/** Returns the beginning of a page. @param refresh seconds after which a browser reloads it */
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
