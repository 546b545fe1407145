import { lstat, readdir } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';
import { BUILD_FILE, PAGE_FILES } from './layout.ts';
import { fillAgo } from './pages/ago.ts';
import { type ListingEntry, listingPage } from './pages/listing.ts';
import { mediaType } from './serve/media-type.ts';
import { findServed, openServed, type Served } from './serve/served-path.ts';

/**
 * Policy for files from a guest: no script, no request to anywhere. In CSP level 3, `sandbox` without allow-same-origin
 * puts the document into an origin of its own.
 */
export const GUEST_POLICY = "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:";
/**
 * Policy for Recheck's pages: no script either (script-src), but links to binaries may download, and a running build's
 * page may reload itself, for which HTML requires allow-scripts.
 */
export const OWN_POLICY =
  "sandbox allow-scripts allow-downloads; default-src 'none'; script-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:; form-action 'none'; frame-ancestors 'self'";

/** Bytes up to which a page gets its relative times (`fillAgo`) when it is served. */
const MAX_FILLED_BYTES = 4 << 20;

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

/** Returns a handler that serves a log folder for GET and HEAD; `request.url` is relative to its mount path. */
export function logHandler(root: string): Handler {
  return (request, response) => {
    answer(root, request, response).catch(() => {
      if (response.headersSent) response.destroy();
      else plain(response, 500, 'This log could not be read. See the controller’s log.');
    });
  };
}

function plain(response: ServerResponse, status: number, text: string): void {
  response.writeHead(status, { 'Content-Type': 'text/plain; charset=utf-8', 'Content-Security-Policy': GUEST_POLICY });
  response.end(`${text}\n`);
}

async function answer(root: string, request: IncomingMessage, response: ServerResponse): Promise<void> {
  response.setHeader('X-Content-Type-Options', 'nosniff');
  response.setHeader('Referrer-Policy', 'no-referrer');
  response.setHeader('Content-Security-Policy', GUEST_POLICY);
  if (request.method !== 'GET' && request.method !== 'HEAD') {
    response.setHeader('Allow', 'GET, HEAD');
    return plain(response, 405, 'Logs are read-only.');
  }
  const url = request.url ?? '/';
  const path = url.split('?', 1)[0]!;
  const found = await findServed(root, path);
  if (found === undefined)
    return plain(response, 404, 'No such log. It may have been removed because of its age or size.');
  if (found.kind === 'file') return sendFile(request, response, found, await isOwn(root, found.segments));
  // If mounted in an application, the path in the browser is longer than `request.url`.
  const outside = ((request as { originalUrl?: string }).originalUrl ?? url).split('?', 1)[0]!;
  if (!outside.endsWith('/')) {
    response.writeHead(301, { Location: `${outside.slice(outside.lastIndexOf('/') + 1)}/` });
    response.end();
    return;
  }
  const index = join(found.file, 'index.html');
  const indexed = await lstat(index).catch(() => undefined);
  if (indexed?.isFile()) {
    const segments = [...found.segments, 'index.html'];
    return sendFile(request, response, { kind: 'file', file: index, segments }, await isOwn(root, segments));
  }
  response.setHeader('Content-Security-Policy', OWN_POLICY);
  const page = listingPage(
    `/${found.segments.map((segment) => `${segment}/`).join('')}`,
    await list(found.file),
    found.segments.length === 0,
  );
  sendPage(request, response, page);
}

/** Whether Recheck wrote a page: index.html or console.html in the outermost folder with a build.json. */
async function isOwn(root: string, segments: readonly string[]): Promise<boolean> {
  if (!PAGE_FILES.includes(segments.at(-1) ?? '')) return false;
  let folder = root;
  for (const [index, segment] of segments.slice(0, -1).entries()) {
    folder = join(folder, segment);
    if (await lstat(join(folder, BUILD_FILE)).catch(() => undefined)) return index === segments.length - 2;
  }
  return false;
}

async function list(folder: string): Promise<ListingEntry[]> {
  const entries: ListingEntry[] = [];
  for (const name of await readdir(folder)) {
    const found = name.startsWith('.') ? undefined : await lstat(join(folder, name)).catch(() => undefined);
    if (!found?.isDirectory() && !found?.isFile()) continue;
    entries.push({ name, folder: found.isDirectory(), size: found.size, changedAt: found.mtime.toISOString() });
  }
  return entries;
}

function sendPage(request: IncomingMessage, response: ServerResponse, page: string): void {
  response.writeHead(200, {
    'Content-Type': 'text/html; charset=utf-8',
    'Content-Length': Buffer.byteLength(page),
    'Cache-Control': 'no-cache',
  });
  response.end(request.method === 'HEAD' ? undefined : page);
}

/** Parses one `bytes=a-b`, `bytes=a-` or `bytes=-n` (RFC 9110, 14.2); false if it cannot be satisfied. */
function rangeOf(header: string | undefined, size: number): { start: number; end: number } | false | undefined {
  const match = /^bytes=(\d*)-(\d*)$/.exec(header ?? '');
  if (match === null || (match[1] === '' && match[2] === '')) return undefined;
  const last = match[2] === '' ? size - 1 : Math.min(Number(match[2]), size - 1);
  const range =
    match[1] === ''
      ? { start: Math.max(0, size - Number(match[2])), end: size - 1 }
      : { start: Number(match[1]), end: last };
  return range.start <= range.end && range.start < size ? range : false;
}

async function sendFile(
  request: IncomingMessage,
  response: ServerResponse,
  found: Served,
  own: boolean,
): Promise<void> {
  const handle = await openServed(found.file);
  try {
    const stats = await handle.stat();
    if (!stats.isFile()) return plain(response, 404, 'No such log.');
    if (own) response.setHeader('Content-Security-Policy', OWN_POLICY);
    if (own && found.segments.at(-1) === 'index.html' && stats.size <= MAX_FILLED_BYTES) {
      return sendPage(request, response, fillAgo(await handle.readFile('utf8'), Date.now()));
    }
    const head = Buffer.alloc(Math.min(512, stats.size));
    await handle.read(head, 0, head.length, 0);
    const { type, encoding } = mediaType(found.segments.at(-1)!, head);
    const tag = `W/"${stats.size.toString(36)}-${Math.trunc(stats.mtimeMs).toString(36)}"`;
    response.setHeader('Content-Type', type);
    response.setHeader('Cache-Control', 'no-cache');
    response.setHeader('ETag', tag);
    response.setHeader('Last-Modified', stats.mtime.toUTCString());
    if (encoding) response.setHeader('Content-Encoding', encoding);
    else response.setHeader('Accept-Ranges', 'bytes');
    if (request.headers['if-none-match'] === tag) {
      response.writeHead(304).end();
      return;
    }
    const range = encoding ? undefined : rangeOf(request.headers.range, stats.size);
    if (range === false) {
      response.setHeader('Content-Range', `bytes */${stats.size}`);
      return plain(response, 416, 'This log is shorter than the range requested.');
    }
    if (range) response.setHeader('Content-Range', `bytes ${range.start}-${range.end}/${stats.size}`);
    const { start, end } = range ?? { start: 0, end: stats.size - 1 };
    response.setHeader('Content-Length', end - start + 1);
    response.writeHead(range ? 206 : 200);
    if (request.method === 'HEAD' || end < start) {
      response.end();
      return;
    }
    // The client may disconnect at any time.
    await pipeline(handle.createReadStream({ start, end, autoClose: false }), response).catch(() => undefined);
  } finally {
    await handle.close();
  }
}
