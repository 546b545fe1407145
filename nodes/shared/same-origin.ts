import type { IncomingHttpHeaders } from 'node:http';

/**
 * Returns whether a request comes from a page of another site. If Node-RED has no login (its default), any page open in
 * the browser could otherwise press the buttons of nodes, because browsers allow cross-site form posts. If it has one,
 * requests carry a token that other pages do not have.
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
