import assert from 'node:assert/strict';
import { symlinkSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { gzipSync } from 'node:zlib';
import { type Nginx, startNginx } from './nginx.ts';
import { inSandbox } from './support.ts';

inSandbox(import.meta.url, { limitMs: 60_000, disks: [] }, () => {
  let nginx: Nginx;
  before(async () => {
    nginx = await startNginx();
  });
  after(() => nginx.stop());

  /** Requests a log as a browser does. */
  const ask = (name: string, init: RequestInit = {}): Promise<Response> =>
    fetch(`http://127.0.0.1/logs/${name}`, { ...init, headers: { connection: 'close' } });
  const put = (name: string, content: string | Uint8Array): void => writeFileSync(join(nginx.logs, name), content);

  test('the sample shows logs in the browser, compressed ones too, and runs no scripts in them', async () => {
    put('index.html', '<p>a page');
    put('console.log', 'a line');
    put('syslog.txt.gz', gzipSync('an old line'));
    put('report.html.gz', gzipSync('<p>an old page'));
    put('evil.js', 'alert(1)');
    put('evil.svg', '<svg xmlns="http://www.w3.org/2000/svg"/>');
    for (const [name, type, text] of [
      ['index.html', 'text/html', '<p>a page'],
      ['console.log', 'text/plain', 'a line'],
      ['syslog.txt.gz', 'text/plain', 'an old line'],
      ['report.html.gz', 'text/html', '<p>an old page'],
      ['evil.js', 'text/plain', 'alert(1)'],
      ['evil.svg', 'image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg"/>'],
    ] as const) {
      const answer = await ask(name);
      assert.equal(answer.status, 200, name);
      assert.equal(await answer.text(), text, name);
      assert.equal(answer.headers.get('content-type')?.split(';')[0], type, name);
      assert.equal(answer.headers.get('x-content-type-options'), 'nosniff', name);
      assert.match(answer.headers.get('content-security-policy') ?? '', /^sandbox\b.*default-src 'none'/, name);
    }
  });

  test('the sample hides drafts, follows no links, and refuses writes', async () => {
    put('.draft', 'half a page');
    symlinkSync('/etc/hostname', join(nginx.logs, 'link.txt'));
    assert.equal((await ask('.draft')).status, 404);
    assert.equal((await ask('link.txt')).status, 403);
    put('kept.txt', 'as it was');
    for (const method of ['PUT', 'POST', 'DELETE']) {
      const { status } = await ask('kept.txt', { method });
      assert.ok(status === 403 || status === 405, `${method}: ${status}`);
    }
    assert.equal(await (await ask('kept.txt')).text(), 'as it was');
  });
});
