import assert from 'node:assert/strict';
import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Readable } from 'node:stream';
import { test } from 'node:test';
import { openBuildLog } from '../../lib/logs/build-log.ts';
import { waitFor } from '../support/wait.ts';
import { build, change, page, scratch, step } from './help.ts';

const read = (dir: string, name: string): Promise<string> => readFile(join(dir, name), 'utf8');

test('the page has its final URL from the start, follows the build, and ends with its result', async (t) => {
  const root = await scratch(t);
  const log = await openBuildLog({ root, url: 'https://ci.example.com/logs' }, change(), build());
  assert.equal(log.url, 'https://ci.example.com/logs/1234/2/check/unit/7f3a/');
  assert.equal(log.dir, join(root, '1234/2/check/unit/7f3a'));
  assert.match(await read(log.dir, 'index.html'), /RUNNING/);
  assert.equal(JSON.parse(await read(log.dir, 'build.json')).endedAt, undefined);

  log.console.line('=== run its tests');
  log.console.write(Buffer.from('<script>\n'));
  log.update(page({ running: 'run its tests' }));
  await waitFor('the page names the step', async () =>
    (await read(log.dir, 'index.html')).includes('Running: run its tests'),
  );
  await waitFor("the console's page has its text", async () =>
    (await read(log.dir, 'console.html')).includes('&lt;script&gt;'),
  );

  const steps = [step({ result: 'FAILURE', exitCode: 2, tail: ['1 < 2', 'boom'] })];
  await log.finish(page({ build: build({ steps, result: 'FAILURE' }), endedAt: '2026-11-22T15:57:12.000Z' }));
  const index = await read(log.dir, 'index.html');
  for (const part of [
    'FAILURE',
    'Greet politely',
    'patchset 2 was uploaded',
    '1 &lt; 2\nboom',
    '<p class="words">run its tests: exit 2</p>',
    'vm</b> · image debian-12 · on host-a · 192.168.122.17',
    'console.html#L3',
    'my-ci recheck',
    'href="https://review.example.com/c/demo/+/1234"',
    '2026-11-22 15:57:00 UTC',
    'host-a',
  ]) {
    assert.ok(index.includes(part), part);
  }
  assert.doesNotMatch(index, /http-equiv="refresh"|<script/);
  const record = JSON.parse(await read(log.dir, 'build.json'));
  assert.equal(record.result, 'FAILURE');
  assert.equal(record.endedAt, '2026-11-22T15:57:12.000Z');
  assert.equal(record.change.number, 1234);
  assert.match(
    await read(log.dir, 'console.html'),
    /<p id=L2><a href=#L2 data-t=\d\d:\d\d:\d\d\.\d{3}>2<\/a>&lt;script&gt;\n/,
  );
  assert.deepEqual((await readdir(log.dir)).sort(), ['build.json', 'console.html', 'console.log', 'index.html']);
});

test('many updates cause few writes, and the last one is shown', async (t) => {
  const log = await openBuildLog({ root: await scratch(t), url: 'http://x' }, change(), build());
  const begun = performance.now();
  for (let n = 0; n < 10_000; n++) log.update(page({ running: `step ${n}` }));
  assert.ok(performance.now() - begun < 20_000);
  await waitFor('the last step is on the page', async () => (await read(log.dir, 'index.html')).includes('step 9999'));
  await log.finish(page({ endedAt: '2026-11-22T15:57:12.000Z' }));
  log.update(page({ running: 'too late' }));
  assert.match(await read(log.dir, 'index.html'), /SUCCESS/);
});

test('an added file is on the page, even after the end, and never replaces a file of Recheck', async (t) => {
  const log = await openBuildLog({ root: await scratch(t), url: 'http://x' }, change(), build());
  await log.addFile('index.html', Readable.from([Buffer.from('forged')]));
  await log.addFile('../../../escape.txt', Readable.from([Buffer.from('x')]));
  await log.finish(page({ endedAt: '2026-11-22T15:57:12.000Z' }));
  await log.addFile('consoles/vm.log', Readable.from([Buffer.from('booting\n')]));
  const index = await read(log.dir, 'index.html');
  assert.match(index, /SUCCESS/);
  assert.match(index, /href="\.\/consoles\/vm\.log">vm\.log<\/a> <small>8 B/);
  assert.equal(await read(log.dir, 'index~2.html'), 'forged');
  assert.equal(await read(log.dir, 'escape.txt'), 'x');
});

test('a build without a change has a folder too, and hostile names do not become paths', async (t) => {
  const root = await scratch(t);
  const { number: _n, patchset: _p, ...rest } = change({ ref: 'refs/heads/../../<x>' });
  const log = await openBuildLog({ root, url: 'http://x/' }, rest, build({ job: '../../job', pipeline: 'check' }));
  assert.equal(log.dir, join(root, 'ref', 'refs-heads-..-..-_x_', '0123456789ab', 'check', '_._.._job', '7f3a'));
  assert.equal(log.url, 'http://x/ref/refs-heads-..-..-_x_/0123456789ab/check/_._.._job/7f3a/');
  await log.finish(page({ change: rest, endedAt: '2026-11-22T15:57:12.000Z' }));
});

test('nothing from Gerrit or a guest becomes markup or a script link', async (t) => {
  const evil = '"><script>x</script>';
  const log = await openBuildLog({ root: await scratch(t), url: 'http://x' }, change(), build());
  await log.addFile(`${evil}/${evil}`, Readable.from([Buffer.from('x')]));
  await log.finish(
    page({
      change: change({ subject: evil, owner: evil, project: evil, branch: evil, url: 'javascript:alert(1)' }),
      build: build({
        job: evil,
        guests: { [evil]: { host: evil, image: evil, clone: evil, address: evil } },
        steps: [step({ name: evil, guest: evil, message: evil, result: 'ERROR', tail: [evil] })],
        result: 'ERROR',
      }),
      reason: evil,
      recheck: evil,
      manualCommands: [evil],
      endedAt: '2026-11-22T15:57:12.000Z',
    }),
  );
  const index = await read(log.dir, 'index.html');
  assert.doesNotMatch(index, /<script|javascript:/);
});

test('without commands to boot a guest manually, the page does not mention it', async (t) => {
  const log = await openBuildLog({ root: await scratch(t), url: 'http://x' }, change(), build());
  await log.finish(page({ recheck: 'my-ci recheck', manualCommands: [], endedAt: '2026-11-22T15:57:12.000Z' }));
  const index = await read(log.dir, 'index.html');
  assert.match(
    index,
    /<h2>Run it again<\/h2>\s*<p>Comment on the change: <code>my-ci recheck<\/code><\/p>\s*<\/section>/,
  );
});

test('a folder that cannot be created is an error that names it', async () => {
  const settings = { root: '/dev/null/logs', url: 'http://x' };
  await assert.rejects(openBuildLog(settings, change(), build()), /logs: .* cannot be written/);
});
