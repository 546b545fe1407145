import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { type TestContext, test } from 'node:test';
import { baseFiles, sample } from '../../../../lib/sandbox/gerrit/model/samples.ts';
import { temporaryFolder } from '../temporary.ts';

async function run(t: TestContext, kind: 'base' | 'good' | 'broken', script: string) {
  const dir = await temporaryFolder(t);
  const files = { ...(await baseFiles()), ...(kind === 'base' ? {} : (await sample(kind)).files) };
  for (const [path, text] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), text!);
  }
  return spawnSync('sh', [join(dir, script)], { encoding: 'utf8' });
}

for (const kind of ['base', 'good'] as const) {
  test(`the ${kind} sample passes its tests`, async (t) => {
    const { status, stdout } = await run(t, kind, 'test/run.sh');
    assert.match(stdout, /# all \d tests passed/);
    assert.equal(status, 0);
  });
}

test('the broken sample fails one test, which prints what it expected', async (t) => {
  const { status, stdout } = await run(t, 'broken', 'test/run.sh');
  assert.equal(status, 1);
  assert.match(stdout, /not ok 4 - greets two in their order\n# {3}expected: Hello, Ann and Bob\n# {8}got: /);
  assert.match(stdout, /# 1 of 4 tests failed/);
});

for (const kind of ['base', 'good', 'broken'] as const) {
  test(`the ${kind} sample passes the lint`, async (t) => {
    assert.equal((await run(t, kind, 'lint.sh')).status, 0);
  });
}
