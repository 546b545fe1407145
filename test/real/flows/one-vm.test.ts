import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { parseTable } from '../../gerrit/results-table.ts';
import { connected, FlowFile } from '../../support/flows.ts';
import { startRed, type TestRed } from '../../support/red.ts';
import { waitFor } from '../../support/wait.ts';
import { RealGerrit } from '../gerrit/fixture.ts';

/** Returns the files of a patchset that contains its own test script. */
const files = (test: string) => ({ 'test/run.sh': `#!/bin/sh\n${test}\n` });

describe('the shipped flow "2 one VM" on a real Gerrit', () => {
  let gerrit: RealGerrit;
  let red: TestRed;
  const flow = FlowFile.shipped('2 one VM');

  before(async () => {
    gerrit = await RealGerrit.start();
    red = await startRed();
    flow.useGerrit(gerrit.target, gerrit.project);
    const [job] = flow.node('ci-jobs')['jobs'] as { env: object[] }[];
    job!.env = [{ name: 'GIT_URL', value: `${gerrit.site.httpUrl}/${gerrit.project}` }];
    await red.deploy(flow.nodes);
    await connected(red, flow);
  });
  after(async () => {
    await red?.close();
    await gerrit?.close();
  });

  const reviewOf = (change: number) =>
    waitFor(
      'a review',
      async () => (await gerrit.messages(change)).find(({ author }) => author === gerrit.ciUser),
      60_000,
    );

  test('a good patchset is fetched, tested and gets +1, and its log can be read', async () => {
    const { number, revision } = await gerrit.pushChange({ subject: 'Good', files: files('echo all is well') });
    const { message } = await reviewOf(number);
    assert.equal((await gerrit.votes(number))['Verified'], 1);
    const [row] = parseTable(message).rows;
    assert.equal(row?.result, 'SUCCESS');
    const log = await (await fetch(new URL('console.log', row!.link!))).text();
    assert.match(log, /all is well/);
    assert.ok(log.includes(revision.slice(0, 7)), 'the patchset itself was fetched');
  });

  test('a broken patchset gets -1, and its page shows why', async () => {
    const { number } = await gerrit.pushChange({ subject: 'Broken', files: files('echo nothing works >&2\nexit 3') });
    const { message } = await reviewOf(number);
    assert.equal((await gerrit.votes(number))['Verified'], -1);
    const table = parseTable(message);
    assert.deepEqual([table.status, table.rows[0]?.result], ['failed', 'FAILURE']);
    const page = await (await fetch(table.rows[0]!.link!)).text();
    assert.match(page, /nothing works/);
    assert.match(page, /exit 3/);
  });
});
