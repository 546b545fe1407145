import { formatSize, formatTime } from '../../util/format.ts';
import { html } from '../../util/html.ts';
import { pageHead, styles } from './page-head.ts';

export interface ListingEntry {
  name: string;
  folder: boolean;
  size: number;
  /** ISO 8601. */
  changedAt: string;
}

const STYLE = styles('listing.css');
/** Names of one listing. */
const MOST = 5000;

/** A page that lists a folder; `path` as shown, `top` where nothing is above it. */
export function listingPage(path: string, entries: readonly ListingEntry[], top: boolean): string {
  const order = new Intl.Collator('en', { numeric: true });
  const sorted = [...entries].sort((a, b) => Number(b.folder) - Number(a.folder) || order.compare(a.name, b.name));
  const rows = sorted.slice(0, MOST).map((entry) => {
    const end = entry.folder ? '/' : '';
    return html`<tr><td><a href="./${encodeURIComponent(entry.name)}${end}">${entry.name}${end}</a></td><td>${!entry.folder && formatSize(entry.size)}</td><td>${formatTime(entry.changedAt)}</td></tr>
`;
  });
  return html`${pageHead(`Logs: ${path}`, STYLE)}<body>
<main>
<h1>${path}</h1>
<table>
<tbody>
${!top && html`<tr><td><a href="../">../</a></td><td></td><td></td></tr>\n`}${rows}</tbody>
</table>
${entries.length === 0 && html`<p>This folder is empty.</p>`}${entries.length > MOST && html`<p>${entries.length - MOST} more are not listed.</p>`}
</main>
</body>
</html>
`.text;
}
