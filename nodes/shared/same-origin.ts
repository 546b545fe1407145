import type { IncomingHttpHeaders } from 'node:http';

/**
 * Whether a request comes from a page of another site. Without a login (Node-RED's default) every page that a person has
 * open could else press our buttons, since a plain form may be posted across sites. A login's token no other page has.
 */
export function fromElsewhere(headers: IncomingHttpHeaders): boolean {
  if (headers.authorization !== undefined) return false;
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  // Browsers leave that header out over plain HTTP to another machine, but never the origin of a cross-site POST.
  const { origin } = headers;
  if (origin === undefined) return false;
  const host = headers['x-forwarded-host'] ?? headers.host;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}
