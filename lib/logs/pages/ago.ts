import { formatAgo, formatTime } from '../../util/format.ts';
import { Html, html } from '../../util/html.ts';

const MARK = /<!--ago ([0-9TZ:.-]{20,24})-->/g;

/** A time in a page: UTC, and a mark where `fillAgo` puts how long ago that is. A page has no script to do it. */
export function timeWithAgo(iso: string): Html {
  const time = new Date(iso);
  if (Number.isNaN(time.getTime())) return html`${iso}`;
  const exact = time.toISOString();
  return html`<time datetime="${exact}">${formatTime(exact)}</time>${new Html(`<!--ago ${exact}-->`)}`;
}

/** Puts how long ago each marked time is, as a page is served. */
export const fillAgo = (page: string, now: number): string =>
  page.replace(MARK, (_, iso: string) => ` <span class="ago">(${formatAgo(iso, now)})</span>`);
