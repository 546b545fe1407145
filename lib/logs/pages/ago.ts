import { formatAgo, formatTime } from '../../util/format.ts';
import { Html, html } from '../../util/html.ts';

const MARK = /<!--ago ([0-9TZ:.-]{20,24})-->/g;

/** Returns a time in UTC with a mark for `fillAgo`: pages have no script that could show how long ago it was. */
export function timeWithAgo(iso: string): Html {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return html`${iso}`;
  const exact = time.toISOString();
  return html`<time datetime="${exact}">${formatTime(exact)}</time>${new Html(`<!--ago ${exact}-->`)}`;
}

/** Adds to each marked time of a page how long ago it was. @param now milliseconds since the epoch */
export const fillAgo = (page: string, now: number): string =>
  page.replace(MARK, (_, iso: string) => ` <span class="ago">(${formatAgo(iso, now)})</span>`);
