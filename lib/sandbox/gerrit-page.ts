import { readFile } from 'node:fs/promises';
import type { IncomingMessage, ServerResponse } from 'node:http';
import { join } from 'node:path';
import { CiError, messageOf } from '../errors/ci-error.ts';
import { type Html, html } from '../util/html.ts';
import { isGitPath, serveGit } from './gerrit/http/git-http.ts';
import { refusalOf } from './gerrit/http/guard.ts';
import type { SampleKind } from './gerrit/model/types.ts';
import { changePage } from './gerrit/page/change.ts';
import { listPage } from './gerrit/page/list.ts';
import { layout } from './gerrit/page/parts.ts';
import { PatchTexts } from './gerrit/page/patch-texts.ts';
import type { SandboxGerrit } from './gerrit.ts';

/** Bytes of a form: room for the longest comment with every byte written as %XX. */
const MAX_FORM_BYTES = 128 * 1024;
/** Milliseconds between two heartbeats on the event stream. */
const HEARTBEAT_MS = 25_000;

const ASSETS: Readonly<Record<string, string>> = {
  'style.css': 'text/css; charset=utf-8',
  'change.css': 'text/css; charset=utf-8',
  'live.js': 'text/javascript; charset=utf-8',
  'icon.svg': 'image/svg+xml',
};

const HEADERS = {
  'content-security-policy':
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'self'",
  'x-content-type-options': 'nosniff',
  'referrer-policy': 'same-origin',
  'cache-control': 'no-store',
};

/**
 * Returns the handler of the sandbox Gerrit's page, which can be mounted under any path because its links and forms are
 * relative. Serves the list of changes, a page for each, their buttons, `git fetch` over HTTP at `demo`, and an event
 * stream that keeps an open page up to date. Answers only this machine: see guard.ts.
 */
export function sandboxPage(gerrit: SandboxGerrit): (req: IncomingMessage, res: ServerResponse) => void {
  const patches = new PatchTexts(gerrit.repository);
  return (req, res) => {
    answer({ gerrit, patches }, req, res).catch((error: unknown) => {
      if (res.headersSent) res.destroy();
      else refuse(req, res, statusOf(error), messageOf(error));
    });
  };
}

/** What the page shows. */
interface PageSite {
  gerrit: SandboxGerrit;
  patches: PatchTexts;
}

const statusOf = (error: unknown): number => (error instanceof CiError ? (error.facts.isNotFound ? 404 : 409) : 500);

async function answer(site: PageSite, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { gerrit } = site;
  const refusal = refusalOf(req);
  if (refusal) return refuse(req, res, 403, refusal);
  const path = pathOf(req);
  const [, project, rest = ''] = /^([^/]+?)(?:\.git)?(\/.*)$/.exec(path) ?? [];
  if (project === gerrit.project && isGitPath(rest)) return serveGit(gerrit.repository, rest, req, res);
  if (req.method === 'POST') return act(gerrit, path, req, res);
  if (req.method !== 'GET' && req.method !== 'HEAD') {
    res.setHeader('allow', 'GET, HEAD, POST');
    return refuse(req, res, 405, 'The sandbox Gerrit’s page supports only GET and POST.');
  }
  if (path === '') return list(gerrit, req, res);
  if (path === 'events') return follow(gerrit, req, res);
  const type = Object.hasOwn(ASSETS, path) && ASSETS[path];
  if (type) return send(res, 200, await readFile(join(import.meta.dirname, 'gerrit', 'page', path)), type);
  const [, number] = /^(\d{1,9})$/.exec(path) ?? [];
  if (number) return change(site, Number(number), req, res);
  refuse(req, res, 404, 'No such page.');
}

/** Sends the list. Its links are relative to a folder, so a mount path without a trailing slash is redirected. */
function list(gerrit: SandboxGerrit, req: IncomingMessage, res: ServerResponse): void {
  const mounted = new URL((req as { originalUrl?: string }).originalUrl ?? req.url ?? '/', 'http://localhost').pathname;
  if (mounted.endsWith('/')) send(res, 200, listPage(gerrit));
  else res.writeHead(302, { ...HEADERS, location: `${mounted.slice(mounted.lastIndexOf('/') + 1)}/` }).end();
}

async function change(site: PageSite, number: number, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const { gerrit } = site;
  const found = gerrit.changes().find((one) => one.number === number);
  if (!found) return refuse(req, res, 404, `There is no change ${number}.`);
  const patches = new Map<number, string>();
  for (const one of found.patchsets) patches.set(one.number, await site.patches.of(one));
  send(res, 200, changePage(gerrit, found, patches));
}

/** Performs the action of a button and redirects to the change's page. */
async function act(gerrit: SandboxGerrit, path: string, req: IncomingMessage, res: ServerResponse): Promise<void> {
  const [, digits, action] = /^(?:(\d{1,9})\/)?(upload|comment|abandon|restore)$/.exec(path) ?? [];
  if (!action || (digits === undefined && action !== 'upload')) {
    return refuse(req, res, 404, 'No such page.');
  }
  const form = await readForm(req);
  if (!form) return refuse(req, res, 413, 'This form is too long.');
  const number = Number(digits);
  if (action === 'upload') {
    const kind = form.get('kind');
    if (kind !== 'good' && kind !== 'broken') return refuse(req, res, 400, 'Choose a sample: good or broken.');
    const made = await uploadOf(gerrit, digits === undefined ? undefined : number, kind);
    return seeOther(res, digits === undefined ? String(made) : `../${number}`);
  }
  if (action === 'comment') await gerrit.comment(number, (form.get('text') ?? '').replaceAll('\r\n', '\n'));
  else if (action === 'abandon') await gerrit.abandon(number);
  else await gerrit.restore(number);
  seeOther(res, `../${number}`);
}

const uploadOf = (gerrit: SandboxGerrit, change: number | undefined, kind: SampleKind): Promise<number> =>
  change === undefined ? gerrit.uploadSample(kind) : gerrit.uploadPatchset(change, kind);

/** Reads the fields of a posted form; undefined if it is too long. A web framework may have parsed it already. */
async function readForm(req: IncomingMessage): Promise<URLSearchParams | undefined> {
  const parsed = (req as { body?: unknown }).body;
  if (typeof parsed === 'object' && parsed !== null) {
    const fields = Object.entries(parsed).filter((field): field is [string, string] => typeof field[1] === 'string');
    return new URLSearchParams(fields);
  }
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of req as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size <= MAX_FORM_BYTES) chunks.push(chunk);
  }
  return size > MAX_FORM_BYTES ? undefined : new URLSearchParams(Buffer.concat(chunks).toString());
}

/** Sends an event stream with a line per modification, which makes an open page reload. */
function follow(gerrit: SandboxGerrit, req: IncomingMessage, res: ServerResponse): void {
  res.writeHead(200, { ...HEADERS, 'content-type': 'text/event-stream' });
  res.write('retry: 2000\n\n');
  const stop = gerrit.onChange(() => res.write('data: changed\n\n'));
  const beat = setInterval(() => res.write(':\n\n'), HEARTBEAT_MS).unref();
  const end = () => res.end();
  gerrit.closed.addEventListener('abort', end, { once: true });
  req.on('close', () => {
    stop();
    clearInterval(beat);
    gerrit.closed.removeEventListener('abort', end);
  });
}

/** Returns the path below the page's folder, without a leading slash. */
const pathOf = (req: IncomingMessage): string =>
  new URL(req.url ?? '/', 'http://localhost').pathname.replace(/^\/+/, '');

/** Sends a page with an error. */
function refuse(req: IncomingMessage, res: ServerResponse, status: number, words: string): void {
  const body = html`<main class="list"><div class="card empty"><h1>Request failed</h1><p>${words}</p></div></main>`;
  send(res, status, layout('Request failed', body, '../'.repeat(pathOf(req).split('/').length - 1)));
}

function seeOther(res: ServerResponse, location: string): void {
  res.writeHead(303, { ...HEADERS, location }).end();
}

function send(res: ServerResponse, status: number, body: Html | Buffer, type = 'text/html; charset=utf-8'): void {
  const bytes = Buffer.isBuffer(body) ? body : Buffer.from(body.text);
  res.writeHead(status, { ...HEADERS, 'content-type': type, 'content-length': bytes.length });
  res.end(res.req.method === 'HEAD' ? undefined : bytes);
}
