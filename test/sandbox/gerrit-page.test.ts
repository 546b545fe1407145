import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createServer, get, type IncomingHttpHeaders, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { type TestContext, test } from 'node:test';
import type { SandboxGerrit } from '../../lib/sandbox/gerrit.ts';
import { sandboxPage } from '../../lib/sandbox/gerrit-page.ts';
import { waitFor } from '../support/wait.ts';
import { temporaryFolder, temporaryGerrit } from './gerrit/temporary.ts';

interface Answer {
  status: number;
  headers: IncomingHttpHeaders;
  body: string;
}

interface Page {
  gerrit: SandboxGerrit;
  url: string;
  get(path: string, headers?: Record<string, string>): Promise<Answer>;
  post(path: string, form: Record<string, string>, headers?: Record<string, string>): Promise<Answer>;
}

/** Mounts the page at /deep/sandbox as Express does: `url` lacks the mount path, `originalUrl` has it. */
async function mountPage(t: TestContext): Promise<Page> {
  const gerrit = await temporaryGerrit(t);
  const server = createServer((req: IncomingMessage & { originalUrl?: string }, res) => {
    req.originalUrl = req.url ?? '';
    req.url = req.originalUrl.slice('/deep/sandbox'.length) || '/';
    sandboxPage(gerrit)(req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => {
    server.closeAllConnections();
    server.close();
  });
  const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/deep/sandbox`;
  const ask = (method: string, path: string, headers: Record<string, string>, body = '') =>
    new Promise<Answer>((resolve, reject) => {
      const req = request(`${url}${path}`, { method, headers }, async (res) => {
        let text = '';
        for await (const chunk of res) text += chunk;
        resolve({ status: res.statusCode!, headers: res.headers, body: text });
      });
      req.on('error', reject);
      req.end(body);
    });
  const form = { 'content-type': 'application/x-www-form-urlencoded' };
  return {
    gerrit,
    url,
    get: (path, headers = {}) => ask('GET', path, headers),
    post: (path, fields, headers = {}) => ask('POST', path, { ...form, ...headers }, `${new URLSearchParams(fields)}`),
  };
}

test('buttons work and lead to the change under any mount path', async (t) => {
  const { gerrit, url, get, post } = await mountPage(t);
  assert.equal((await get('')).headers.location, 'sandbox/');
  const at = (path: string, answer: Answer) => new URL(answer.headers.location!, `${url}${path}`).href;
  for (const [path, form] of [
    ['/upload', { kind: 'good' }],
    ['/1/upload', { kind: 'broken' }],
    ['/1/comment', { text: 'my-ci recheck\r\nplease' }],
    ['/1/abandon', {}],
    ['/1/restore', {}],
  ] as const) {
    const answer = await post(path, form);
    assert.equal(answer.status, 303, path);
    assert.equal(at(path, answer), `${url}/1`, path);
  }
  const [change] = gerrit.changes();
  assert.equal(change?.patchsets.length, 2);
  assert.equal(change.status, 'NEW');
  assert.equal(change.messages.find((one) => one.comments)?.comments?.[0]?.message, 'my-ci recheck\nplease');
  const page = await get('/1');
  assert.match(page.body, /Greet politely/);
  assert.match(page.body, /my-ci recheck\nplease/);
  assert.match((await get('/')).body, /<a href="1">Greet politely<\/a>/);
});

test('a form that a framework has already parsed is accepted', async (t) => {
  const { gerrit } = await mountPage(t);
  const server = createServer((req: IncomingMessage & { body?: unknown }, res) => {
    req.body = { kind: 'good', other: ['x'] };
    req.resume().on('end', () => sandboxPage(gerrit)(req, res));
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const { port } = server.address() as AddressInfo;
  const { status } = await fetch(`http://127.0.0.1:${port}/upload`, { method: 'POST', redirect: 'manual' });
  assert.equal(status, 303);
  assert.equal(gerrit.changes().length, 1);
});

test('the results table shows jobs, results, links and which jobs are non-voting', async (t) => {
  const { gerrit, get } = await mountPage(t);
  await gerrit.uploadSample('good');
  const report = `Build failed (check pipeline).

- unit https://ci.example.com/1/ : FAILURE in 12s
- slow https://ci.example.com/2/ : TIMED_OUT in 30m 00s (non-voting)`;
  await gerrit.comment(1, report, 'my-ci', 'message');
  const { body } = await get('/1');
  assert.match(body, /<strong>My CI<\/strong> on patchset <strong>1<\/strong> in pipeline <strong>check<\/strong>/);
  assert.match(body, /unit<\/td>\s*<td><span class="result bad">FAILURE<\/span>/);
  assert.match(body, /slow <span class="tag">non-voting<\/span><\/td>\s*<td><span class="result warn">TIMED_OUT/);
  assert.match(body, /<td><a href="https:\/\/ci\.example\.com\/2\/"/);
});

test('text from changes and comments does not become markup', async (t) => {
  const { gerrit, get } = await mountPage(t);
  const evil = `"><script>alert(1)</script>'&`;
  await gerrit.upload({ message: evil, files: { 'a<b>.txt': `${evil}\n` } });
  const text = `Build ok.\n\n- <img/src=x> https://x/"onclick="x : <b>SUCCESS</b> in <i>1s\nhttp://x/"><script> javascript:alert(1)`;
  await gerrit.comment(1, text, 'my-ci', 'message');
  await gerrit.comment(1, evil);
  for (const path of ['/', '/1']) {
    const { body } = await get(path);
    assert.doesNotMatch(body, /<(?:script>|img\/|b>|i>)/, path);
    assert.doesNotMatch(body, /"onclick="/, path);
    assert.doesNotMatch(body, /href="javascript/, path);
    assert.match(body, /&lt;script&gt;alert\(1\)/, path);
  }
});

test("only requests from this machine are served, and only the sandbox's own pages may change anything", async (t) => {
  const { gerrit, get, post, url } = await mountPage(t);
  const { port } = new URL(url);
  for (const host of ['evil.example', `evil.example:${port}`, '127.0.0.1.evil.example', '10.0.0.5']) {
    assert.equal((await get('/', { host })).status, 403, host);
  }
  for (const host of [`localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`, 'localhost']) {
    assert.equal((await get('/', { host })).status, 200, host);
  }
  for (const headers of [
    { origin: 'http://evil.example' },
    { origin: 'null' },
    { origin: `http://127.0.0.1:${Number(port) + 1}` },
    { 'sec-fetch-site': 'cross-site' },
    { 'sec-fetch-site': 'same-site', origin: url.replace('/deep/sandbox', '') },
  ]) {
    const { status, body } = await post('/upload', { kind: 'good' }, headers as Record<string, string>);
    assert.equal(status, 403, JSON.stringify(headers));
    assert.match(body, /another site/);
  }
  assert.equal(gerrit.changes().length, 0);
  const origin = new URL(url).origin;
  assert.equal((await post('/upload', { kind: 'good' }, { origin, 'sec-fetch-site': 'same-origin' })).status, 303);
});

test('a client on another machine is told how to open the page', async (t) => {
  const gerrit = await temporaryGerrit(t);
  const server = createServer((req, res) => {
    Object.defineProperty(req.socket, 'remoteAddress', { value: '192.0.2.7' });
    sandboxPage(gerrit)(req, res);
  }).listen(0, '127.0.0.1');
  t.after(() => server.close());
  await new Promise((resolve) => server.once('listening', resolve));
  const answer = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}/`);
  assert.equal(answer.status, 403);
  assert.match(await answer.text(), /ssh -L/);
});

test('every response has the security headers, and invalid requests get a page that says why', async (t) => {
  const { gerrit, get, post } = await mountPage(t);
  await gerrit.uploadSample('good');
  const long = { text: 'x'.repeat(200_000) };
  for (const [answer, status, words] of [
    [await get('/nope'), 404, /No such page/],
    [await get('/7'), 404, /no change 7/],
    [await get('/../state.json'), 404, /No such page/],
    [await get('/keys/my-ci'), 404, /No such page/],
    [await post('/7/comment', { text: 'x' }), 404, /no change 7/],
    [await post('/1/comment', { text: ' ' }), 409, /comment is empty/],
    [await post('/1/comment', long), 413, /too long/],
    [await post('/upload', { kind: 'bad' }), 400, /good or broken/],
    [await post('/1/delete', {}), 404, /No such page/],
    [await get('/'), 200, /Greet politely/],
    [await get('/style.css'), 200, /prefers-color-scheme: dark/],
  ] as const) {
    assert.equal(answer.status, status);
    assert.match(answer.body, words);
    assert.match(answer.headers['content-security-policy'] as string, /default-src 'none'/);
    assert.equal(answer.headers['x-content-type-options'], 'nosniff');
  }
});

test('an open page is notified of each change, and its connection ends when the sandbox closes', async (t) => {
  const { gerrit, url } = await mountPage(t);
  let received = '';
  const ended = new Promise<void>((resolve) => {
    get(`${url}/events`, (res) => {
      res.on('data', (chunk: Buffer) => {
        received += chunk;
      });
      res.on('end', resolve);
    });
  });
  await waitFor('the event stream begins', () => received.includes('retry'));
  await gerrit.uploadSample('good');
  await waitFor('the page is notified', () => received.includes('data: changed'));
  assert.equal(received.match(/data: changed/g)?.length, 1);
  await gerrit.close();
  await ended;
});

test('git can fetch a patchset over HTTP, in both versions of its protocol, and cannot push', async (t) => {
  const { gerrit, url } = await mountPage(t);
  await gerrit.uploadSample('good');
  const dir = await temporaryFolder(t);
  const env = { PATH: process.env['PATH'], HOME: dir, GIT_CONFIG_NOSYSTEM: '1' };
  const git = (...args: string[]) =>
    new Promise<string>((resolve, reject) => {
      execFile('git', args, { cwd: dir, env }, (error, stdout) => (error ? reject(error) : resolve(stdout)));
    });
  for (const version of ['0', '2']) {
    await git('init', '-q', version);
    const own = ['-C', version, '-c', `protocol.version=${version}`];
    await git(...own, 'fetch', '-q', `${url}/demo`, 'refs/changes/01/1/1');
    assert.match(await git(...own, 'show', 'FETCH_HEAD:greet.sh'), /Good day/);
    await assert.rejects(git(...own, 'push', '-q', `${url}/demo`, 'FETCH_HEAD:refs/heads/other'));
  }
  assert.equal(await gerrit.repository.resolve('refs/heads/other'), undefined);
});
