import { formatSize, formatTime } from '../../util/format.ts';
import { html } from '../../util/html.ts';
import { pageHead, styles } from './page-head.ts';

/** A file or folder in a listing; its size is in bytes. */
export interface ListingEntry {
  name: string;
  folder: boolean;
  size: number;
  /** ISO 8601. */
  changedAt: string;
}

const STYLE = styles('listing.css');
/** Names in one listing. */
const MAX_NAME_COUNT = 5000;

/** Returns a page that lists a folder. @param path as shown @param top whether it has no parent */
export function listingPage(path: string, entries: readonly ListingEntry[], top: boolean): string {
  const order = new Intl.Collator('en', { numeric: true });
  const sorted = [...entries].sort((a, b) => Number(b.folder) - Number(a.folder) || order.compare(a.name, b.name));
  const rows = sorted.slice(0, MAX_NAME_COUNT).map((entry) => {
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
${entries.length === 0 && html`<p>This folder is empty.</p>`}${entries.length > MAX_NAME_COUNT && html`<p>${entries.length - MAX_NAME_COUNT} more are not listed.</p>`}
</main>
</body>
</html>
`.text;
}
