import assert from 'node:assert/strict';
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { waitFor } from '../support/wait.ts';
import { openBrowser, openContext } from './chromium.ts';
import { Editor } from './editor.ts';
import { startProduct, stateDir } from './product.ts';

test('an imported example that is rewired in the editor and deployed verifies a patchset', {
  timeout: 240_000,
}, async (t) => {
  const dir = stateDir(t);
  // An empty canvas, as after the package was installed.
  writeFileSync(join(dir, 'flows.json'), '[]');
  const product = await startProduct(t, dir);
  await product.waitForLine(/state .*delete it/);
  const browser = await openBrowser(t);
  const { context, faults } = await openContext(browser, product.url, 'light', 2400);
  await waitFor(
    'the editor is served',
    async () => (await fetch(`${product.url}/`).catch(() => undefined))?.ok,
    30_000,
  );
  const editor = await Editor.open(context, product.url);

  await editor.importExample('2 one VM');
  const fetchStep = await editor.node('fetch the change');
  const tests = await editor.node('run its tests');

  // A step dropped onto a wire is inserted into it.
  const hello = await editor.drag('ssh-exec', await editor.wire(fetchStep.id, tests.id), 'wire');
  await editor.open(hello);
  await editor.page.fill('#node-input-name', 'say hello');
  // Long enough for the canvas to show that it runs.
  await editor.write('echo "hello $GERRIT_CHANGE_NUMBER"; sleep 1');
  await editor.close('ok');
  await editor.wire(fetchStep.id, hello);
  await editor.wire(hello, tests.id);

  // The wire forks to a step beside the lane, and joins it again at publish-logs.
  const boot = await editor.node('boot');
  const place = await editor.wire(boot.id, fetchStep.id);
  const beside = await editor.drag('ssh-exec', { x: place.x + 160, y: place.y + 160 });
  await editor.open(beside);
  await editor.page.fill('#node-input-name', 'beside the lane');
  await editor.write('echo "beside"; uname');
  await editor.close('ok');
  await editor.connect(boot.id, beside);
  await editor.connect(beside, (await editor.node('publish logs')).id);

  const statuses = await editor.watchStatuses();
  await editor.deploy();
  await product.waitForLine(/^Build succeeded \(check pipeline\)\.$/m);
  await product.waitForLine(/^Now comment/m);

  // Upload a patchset with the button of the sandbox page.
  const changes = await context.newPage();
  await changes.goto(`${product.url}/sandbox`);
  await changes.getByRole('button', { name: 'Upload a good patchset' }).click();
  await product.waitForLine(/change 3, patchset 1 on demo[\s\S]*Build succeeded/);
  await changes.goto(`${product.url}/sandbox/3`);
  assert.match(await changes.locator('#log').innerText(), /Verified \+1[\s\S]*Build succeeded \(check pipeline\)\./);

  // The canvas showed each step while it ran, then its result.
  await editor.page.bringToFront();
  const expected = [/^say hello: 3,1 .*\d:\d\d$/, /^boot: 3,1 /, /^say hello: 3 ok$/, /^beside the lane: 3 ok$/];
  await waitFor(
    'the statuses of change 3',
    async () => {
      const seen = await statuses();
      return expected.every((pattern) => seen.some((text) => pattern.test(text))) && seen;
    },
    10_000,
  ).catch(async (error: Error) => {
    throw new Error(`${error.message}; the canvas showed\n${(await statuses()).join('\n')}`);
  });
  const seen = await statuses();
  assert.ok(seen.includes('post review: 3,1 Verified +1'), seen.join('\n'));

  // The log page lists the new steps, and the console has their output.
  await changes.locator('#results a', { hasText: 'log' }).first().click();
  await changes.waitForSelector('h1:has-text("unit")');
  const steps = await changes.locator('section:has(h2:text-is("Steps")) td:first-child').allInnerTexts();
  assert.deepEqual(
    steps
      .map((step) => step.trim())
      .filter((step) => /hello|beside/.test(step))
      .sort(),
    ['beside the lane', 'say hello'],
  );
  await changes.locator('tr:has-text("say hello") a').last().click();
  await changes.waitForURL(/console\.html#L\d+$/);
  assert.match(await changes.locator('main').innerText(), /hello 3\n/);
  assert.deepEqual(faults, []);
});
