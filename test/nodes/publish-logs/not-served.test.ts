import assert from 'node:assert/strict';
import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { run } from '../../support/build-runs.ts';
import { flow, jobs, make, row } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';
import { waitFor } from '../../support/wait.ts';

let red: TestRed;
before(async () => {
  red = await startRed({ httpNodeRoot: false });
});
after(() => red?.close());

const deploy = (url: string) =>
  red.deploy(flow(...row(jobs(), make('publish-logs', { files: [], url }), make('gerrit-review', { silent: true }))));
const warnings = () => red.logs.filter(({ msg }) => /serves no HTTP for nodes \(httpNodeRoot is off\)/.test(msg));

test('if httpNodeRoot is off, the node says what to do, writes the logs, and reports no dead link', async () => {
  await deploy('');
  await waitFor('the warning is logged', () => warnings().length === 1);
  assert.match(warnings()[0]!.msg, /Serve the log folder with a web server and set its public URL/);
  const { build, label, result } = await run(red);
  assert.equal(result, 'SUCCESS');
  const folder = join(red.userDir, 'recheck', 'logs', label.replace(',', '/'), 'check', 'unit', build.id);
  assert.ok(existsSync(join(folder, 'console.log')));
  const report = await red.event('report');
  assert.match('message' in report.state ? report.state.message : '', /- unit no-logs : SUCCESS/);
});

test('there is no warning if a public URL is set', async () => {
  const before = warnings().length;
  await deploy('https://ci.example.com/logs');
  const { build } = await run(red);
  assert.ok(build.logUrl!.startsWith('https://ci.example.com/logs/'));
  assert.equal(warnings().length, before);
});
