import type { IncomingHttpHeaders } from 'node:http';

/**
 * Tells whether a request comes from a page of another site. Without a login (Node-RED's default), any page open in the
 * browser could otherwise press the buttons of nodes, since a plain form may be posted across sites. With a login, no
 * other page has its token.
 */
export function fromElsewhere(headers: IncomingHttpHeaders): boolean {
  if (headers.authorization !== undefined) return false;
  const site = headers['sec-fetch-site'];
  if (site !== undefined) return site !== 'same-origin' && site !== 'none';
  // Browsers omit that header over plain HTTP to another machine, but always send the origin of a cross-site POST.
  const { origin } = headers;
  if (origin === undefined) return false;
  const host = headers['x-forwarded-host'] ?? headers.host;
  return !URL.canParse(origin) || new URL(origin).host !== host;
}
