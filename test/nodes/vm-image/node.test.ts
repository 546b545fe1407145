import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, describe, test } from 'node:test';
import { assertStatusTexts, logOf, run, variable } from '../../support/build-runs.ts';
import { flow, guests, jobs, make, row } from '../../support/flow-builder.ts';
import { startRed, type TestRed } from '../../support/red.ts';

describe('vm-image', () => {
  const dir = mkdtempSync(join(tmpdir(), 'recheck-test-'));
  const folder = join(dir, 'base');
  let red: TestRed;

  before(async () => {
    mkdirSync(join(folder, 'tools'), { recursive: true });
    writeFileSync(join(folder, 'tools', 'hello'), 'from the image\n');
    red = await startRed();
  });
  after(async () => {
    await red?.close();
    rmSync(dir, { recursive: true, force: true });
  });

  /** Boots a guest from the image, runs a script in it, and returns the ended build. */
  const runScript = async (settings: Record<string, unknown>, text: string) => {
    await red.deploy(
      flow(
        ...guests('vm').map((node) => (node.type === 'vm-image' ? { ...node, ...settings } : node)),
        jobs({ wires: [['clone-vm']] }),
        ...row(
          make('ssh-exec', { id: 'work', name: 'work', script: text, wires: [['publish-logs1'], []] }),
          make('publish-logs', { files: [] }),
          make('gerrit-review', { silent: true }),
        ),
      ),
    );
    return run(red, undefined, 20_000);
  };

  test('an empty image has an empty home, and the login user is as configured', async () => {
    const ended = await runScript({ source: 'empty', loginUser: variable('TEST_LOGIN', 'zuul') }, 'ls -A | wc -l; pwd');
    assert.equal(ended.result, 'SUCCESS');
    const log = await logOf(ended);
    assert.match(log, / \| 0\n/);
    assert.ok(log.includes(`/recheck-${ended.build.id}-1-vm\n`), log);
  });

  test('each guest has its own copy of the image’s folder', async () => {
    const settings = { name: 'ba se/1', source: 'directory', path: variable('TEST_IMAGE', folder) };
    const change = await runScript(settings, 'cat tools/hello; echo changed >tools/hello');
    assert.equal(change.result, 'SUCCESS');
    assert.match(await logOf(change), / \| from the image\n/);
    assert.equal(readFileSync(join(folder, 'tools', 'hello'), 'utf8'), 'from the image\n');
    assert.match(await logOf(await runScript(settings, 'cat tools/hello')), / \| from the image\n/);
    assert.match(await logOf(change), /vm: cloned ba-se-1 on worker here/);
  });

  test('a missing folder is reported by name, and is not blamed on the patch', async () => {
    const { result, build } = await runScript({ source: 'directory', path: join(dir, 'nowhere') }, 'true');
    assert.ok(['NODE_FAILURE', 'ERROR'].includes(result), result);
    assert.ok(build.steps[0]!.message!.includes(join(dir, 'nowhere')), build.steps[0]!.message);
    assert.match(build.steps[0]!.message!, /Check the path in the image's settings/);
  });

  test('every status is a finished text', () => assertStatusTexts(red));
});
