import { type Html, html } from '../../../util/html.ts';
import { labelRange } from '../model/accounts.ts';
import type { Change, Patchset } from '../model/types.ts';

/** Returns a complete page. @param base relative path of the page's folder: '' or '../' */
export const layout = (title: string, body: Html, base = ''): Html => html`<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>${title} · sandbox Gerrit</title>
<link rel="icon" href="${base}icon.svg" type="image/svg+xml">
<link rel="stylesheet" href="${base}style.css">
<link rel="stylesheet" href="${base}change.css">
<script src="${base}live.js" defer></script>
</head>
<body>
<header class="top"><a class="brand" href="${base || './'}"><img src="${base}icon.svg" alt="" width="22" height="22">Sandbox Gerrit</a>
<span class="quiet">project demo, on this machine only</span></header>
${body}
</body>
</html>
`;

/** Returns "3 min ago" with the exact time in UTC as its title; live.js keeps the text up to date. */
export function ago(date: number, now = Date.now()): Html {
  const iso = new Date(date).toISOString();
  const full = `${iso.slice(0, 10)} ${iso.slice(11, 19)} UTC`;
  return html`<time datetime="${iso}" title="${full}">${agoWords((now - date) / 1000)}</time>`;
}

function agoWords(seconds: number): string {
  if (seconds < 45) return 'just now';
  if (seconds < 3570) return `${Math.max(1, Math.round(seconds / 60))} min ago`;
  if (seconds < 84600) return `${Math.round(seconds / 3600)} h ago`;
  const days = Math.round(seconds / 86400);
  return days === 1 ? '1 day ago' : `${days} days ago`;
}

const STATUS: Readonly<Record<Change['status'], { word: string; kind: string }>> = {
  NEW: { word: 'Active', kind: 'open' },
  MERGED: { word: 'Merged', kind: 'merged' },
  ABANDONED: { word: 'Abandoned', kind: 'closed' },
};

/** Returns the change's status as Gerrit's UI names it. */
export const statusChip = (change: Change): Html => {
  const { word, kind } = STATUS[change.status];
  return html`<span class="chip ${kind}">${word}</span>`;
};

/** Returns a vote with its sign. */
export const signed = (value: number): string => (value > 0 ? `+${value}` : String(value).replace('-', '−'));

const voteKind = (value: number): string => (value > 0 ? 'good' : value < 0 ? 'bad' : 'none');

/** Returns a vote: "Verified +1". */
export const voteChip = (label: string, value: number): Html =>
  html`<span class="chip ${voteKind(value)}">${label} ${value === 0 ? 'removed' : signed(value)}</span>`;

/**
 * Returns a label's value on a patchset by Gerrit's rule: its lowest possible vote wins, otherwise the highest is
 * shown.
 */
export function verdict(patchset: Patchset, label: string): number {
  const values = patchset.votes.filter((vote) => vote.label === label).map((vote) => vote.value);
  const worst = Math.min(0, ...values);
  return worst === labelRange(label)!.min || Math.max(0, ...values) === 0 ? worst : Math.max(...values);
}

/** Returns a form with only a button. */
export const button = (action: string, words: string, kind = '', fields: Record<string, string> = {}): Html =>
  html`<form method="post" action="${action}">${Object.entries(fields).map(([name, value]) => html`<input type="hidden" name="${name}" value="${value}">`)}<button class="${kind}">${words}</button></form>`;

/** Returns text as markup in which http(s) links can be followed. */
export function linked(text: string): Html {
  const parts = text.split(/(https?:\/\/[^\s<>"']+)/);
  return html`${parts.map((part, i) => (i % 2 === 1 ? html`<a href="${part}" rel="noopener noreferrer">${part}</a>` : part))}`;
}
