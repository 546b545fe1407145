import assert from 'node:assert/strict';
import { mkdir, symlink, writeFile } from 'node:fs/promises';
import { createServer, type IncomingMessage, request } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { gunzipSync, gzipSync } from 'node:zlib';
import { logHandler } from '../../lib/logs/serve.ts';
import { scratch } from './help.ts';

interface Answer {
  status: number;
  headers: IncomingMessage['headers'];
  body: Buffer;
  text: string;
}

/** Serves a folder, and returns a client that sends a path unchanged. */
async function serve(t: TestContext, root: string, mount?: string) {
  const handler = logHandler(root);
  const server = createServer((req, res) => {
    if (mount === undefined) return handler(req, res);
    // As express does.
    Object.assign(req, { originalUrl: req.url });
    req.url = req.url?.slice(mount.length) || '/';
    handler(req, res);
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  t.after(() => server.close());
  const { port } = server.address() as AddressInfo;
  return (path: string, headers: Record<string, string> = {}, method = 'GET'): Promise<Answer> =>
    new Promise((resolve, reject) => {
      request({ port, path, headers, method, agent: false }, (response) => {
        const chunks: Buffer[] = [];
        response.on('data', (chunk: Buffer) => chunks.push(chunk));
        response.on('end', () => {
          const body = Buffer.concat(chunks);
          resolve({ status: response.statusCode!, headers: response.headers, body, text: body.toString() });
        });
      })
        .on('error', reject)
        .end();
    });
}

async function sample(t: TestContext): Promise<string> {
  const root = await scratch(t);
  const folder = join(root, '1234/2/check/unit/7f3a');
  await mkdir(join(folder, 'logs'), { recursive: true });
  await writeFile(join(folder, 'build.json'), '{"build":{"id":"7f3a"}}');
  await writeFile(join(folder, 'index.html'), '<p>ours<!--ago 2020-01-01T00:00:00.000Z--></p>');
  await writeFile(join(folder, 'console.log'), '0123456789');
  await writeFile(join(folder, 'logs/index.html'), '<script>alert(1)</script>');
  await writeFile(join(folder, 'logs/build.json'), '{"build":{"id":"forged"}}');
  return root;
}
const BUILD = '/1234/2/check/unit/7f3a/';

test('every answer forbids sniffing, referrers and scripts', async (t) => {
  const get = await serve(t, await sample(t));
  for (const path of ['/', BUILD, `${BUILD}console.log`, `${BUILD}logs/`, `${BUILD}logs/index.html`, '/none', '/%']) {
    const { headers } = await get(path);
    assert.equal(headers['x-content-type-options'], 'nosniff', path);
    assert.equal(headers['referrer-policy'], 'no-referrer', path);
    const policy = String(headers['content-security-policy']);
    assert.match(policy, /^sandbox[^;]*; default-src 'none'; /, path);
    assert.doesNotMatch(policy, /allow-same-origin|script-src (?!'none')/, path);
  }
});

test('only our own pages may load themselves again; a forged one beside them may not', async (t) => {
  const get = await serve(t, await sample(t));
  assert.match(String((await get(BUILD)).headers['content-security-policy']), /allow-scripts/);
  for (const path of ['logs/', 'logs/index.html']) {
    assert.equal(
      (await get(BUILD + path)).headers['content-security-policy'],
      "sandbox; default-src 'none'; style-src 'unsafe-inline'; img-src 'self' data:",
    );
  }
});

test("a build's page shows how long ago it was when it is served", async (t) => {
  const get = await serve(t, await sample(t));
  assert.match((await get(BUILD)).text, /<p>ours <span class="ago">\(\d+ years ago\)<\/span><\/p>/);
});

test('files outside, hidden files, links and special files are not served', async (t) => {
  const root = await sample(t);
  await writeFile(join(root, '..', 'recheck-secret.txt'), 'secret').catch(() => undefined);
  await symlink('/etc', join(root, 'etc'));
  await symlink('/etc/hostname', join(root, 'hostname.txt'));
  await mkdir(join(root, '.git'));
  await writeFile(join(root, '.git', 'config'), 'x');
  await writeFile(join(root, '1234/.index.html.new'), 'x');
  const get = await serve(t, root);
  for (const path of [
    '/../recheck-secret.txt',
    '/%2e%2e/recheck-secret.txt',
    '/..%2frecheck-secret.txt',
    '/1234/..%5c..',
    '/1234/%00',
    '/etc/passwd',
    '/etc/',
    '/hostname.txt',
    '/.git/config',
    '/1234/.index.html.new',
    `${BUILD}console.log/`.concat('x'),
    '/%E0%A4%A',
  ]) {
    assert.equal((await get(path)).status, 404, path);
  }
  const listing = (await get('/')).text;
  assert.doesNotMatch(listing, /etc|hostname|\.git/);
  assert.match(listing, /href="\.\/1234\/"/);
});

test('only reading is allowed', async (t) => {
  const get = await serve(t, await sample(t));
  for (const method of ['POST', 'PUT', 'DELETE', 'OPTIONS']) {
    const { status, headers } = await get(`${BUILD}console.log`, {}, method);
    assert.equal(status, 405);
    assert.equal(headers.allow, 'GET, HEAD');
  }
  const head = await get(`${BUILD}console.log`, {}, 'HEAD');
  assert.equal(head.status, 200);
  assert.equal(head.headers['content-length'], '10');
  assert.equal(head.body.length, 0);
});

test('types follow names, unknown text is served as plain text, other content is not displayed', async (t) => {
  const root = await scratch(t);
  const files: [string, string | Buffer, string][] = [
    ['a.log', '<b>', 'text/plain; charset=utf-8'],
    ['a.txt', '', 'text/plain; charset=utf-8'],
    ['Makefile', 'all:\n\t\x1b[1mx', 'text/plain; charset=utf-8'],
    ['a.html', '<b>', 'text/html; charset=utf-8'],
    ['a.json', '{}', 'application/json; charset=utf-8'],
    ['a.png', 'x', 'image/png'],
    ['core', Buffer.from([0x7f, 0x45, 0, 0]), 'application/octet-stream'],
    ['a.js', 'alert(1)', 'text/plain; charset=utf-8'],
    ['fake.log.gz', 'no gzip', 'text/plain; charset=utf-8'],
    ['a.tar.gz', gzipSync('x'), 'application/gzip'],
  ];
  const get = await serve(t, root);
  for (const [name, content, type] of files) {
    await writeFile(join(root, name), content);
    const { status, headers } = await get(`/${name}`);
    assert.equal(status, 200, name);
    assert.equal(headers['content-type'], type, name);
    assert.equal(headers['content-encoding'], undefined, name);
  }
});

test('gzipped text and HTML are shown in place', async (t) => {
  const root = await scratch(t);
  const get = await serve(t, root);
  for (const [name, type] of [
    ['a.txt.gz', 'text/plain; charset=utf-8'],
    ['a.log.gz', 'text/plain; charset=utf-8'],
    ['a.html.gz', 'text/html; charset=utf-8'],
  ]) {
    await writeFile(join(root, name!), gzipSync('hello'));
    const { headers, body } = await get(`/${name}`);
    assert.equal(headers['content-type'], type);
    assert.equal(headers['content-encoding'], 'gzip');
    assert.equal(gunzipSync(body).toString(), 'hello');
  }
});

test('ranges of a raw log are served', async (t) => {
  const get = await serve(t, await sample(t));
  const part = (range: string) => get(`${BUILD}console.log`, { range });
  assert.deepEqual(
    [(await part('bytes=2-4')).text, (await part('bytes=7-')).text, (await part('bytes=-2')).text],
    ['234', '789', '89'],
  );
  const { status, headers } = await part('bytes=5-99');
  assert.equal(status, 206);
  assert.equal(headers['content-range'], 'bytes 5-9/10');
  assert.equal((await part('bytes=10-')).status, 416);
  assert.equal((await part('bytes=0-1,3-4')).text, '0123456789');
});

test('an unchanged log is not sent twice', async (t) => {
  const get = await serve(t, await sample(t));
  const { headers } = await get(`${BUILD}console.log`);
  const again = await get(`${BUILD}console.log`, { 'if-none-match': headers.etag! });
  assert.equal(again.status, 304);
  assert.equal(again.body.length, 0);
});

test('a folder without a trailing slash is redirected, wherever it is mounted', async (t) => {
  const root = await sample(t);
  const get = await serve(t, root, '/ci/logs');
  assert.equal((await get('/ci/logs')).headers.location, 'logs/');
  assert.equal((await get('/ci/logs/1234/2?x=1')).headers.location, '2/');
  assert.match((await get('/ci/logs/1234/2/')).text, /href="\.\/check\/"/);
});

test('a listing shows hostile names as text', async (t) => {
  const root = await scratch(t);
  await writeFile(join(root, '<img src=x>&"\'.txt'), 'x');
  const get = await serve(t, root);
  const { text } = await get('/');
  assert.doesNotMatch(text, /<img/);
  const link = /href="\.\/([^"]*\.txt)"/.exec(text)![1]!;
  assert.equal((await get(`/${link.replaceAll('&#39;', "'")}`)).status, 200);
});
