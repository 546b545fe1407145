import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { logOf, run } from '../../support/build-runs.ts';
import { flow, jobs, make, row } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';

let red: TestRed;
before(async () => {
  red = await startRed({ httpNodeRoot: '/nodes/' });
});
after(() => red?.close());

test('logs are served below a custom httpNodeRoot, with links that work', async () => {
  await red.deploy(flow(...row(jobs(), make('publish-logs', { files: [] }), make('gerrit-review', { silent: true }))));
  const ended = await run(red);
  assert.ok(ended.build.logUrl!.startsWith(`${red.url}/nodes/recheck/logs/`), ended.build.logUrl);
  const page = await logOf(ended, '');
  for (const link of ['console.html', 'console.log', 'build.json']) {
    assert.ok(page.includes(link), link);
    await logOf(ended, link);
  }
  const found = await fetch(ended.build.logUrl!.replace(/\/$/, ''));
  assert.equal(found.url, ended.build.logUrl, 'a URL without the final slash works too');
});
